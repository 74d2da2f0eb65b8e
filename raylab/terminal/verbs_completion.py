"""The verb that lets a shell complete what is typed: `raylab completion`."""

from __future__ import annotations

from raylab.terminal.words import DONE, verb, word

SHELLS = ("bash", "zsh", "fish")


@verb(
    "print what lets a shell complete commands, options, labs and sweeps",
    word("shell", choices=SHELLS, help="which shell reads it"),
    more='For good: in bash and zsh the line `eval "$(raylab completion bash)"` X(or zsh) in ~/.bashrc or ~/.zshrc, in '
    "fish `raylab completion fish | source` in ~/.config/fish/config.fish. Names are those of labs whose notebooks "
    "this machine knows; no cluster is asked.",
    example='eval "$(raylab completion bash)"',
)
def completion(shell: str) -> int:
    from raylab.terminal.completion import code

    print(code(shell))
    return DONE
