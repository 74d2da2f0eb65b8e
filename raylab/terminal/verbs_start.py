"""`raylab start` and `stop`: a cluster on this machine that stays, or a part in another one; and its end."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from raylab.client.started import Started
from raylab.errors import LabUnavailable
from raylab.terminal.words import DONE, Misuse, number, verb, word

NO_TOKEN = "none: whoever reaches these ports can run code here"

NO_SECOND = "no other machine can: the address of this one leads to itself; --node-ip-address gives another"


def _head(text: str) -> str:
    from raylab.terminal.network import host_and_port

    host_and_port(text)
    return text


PORT = number(int, 1, 65535, "a port from 1 to 65535")
CPUS = number(int, 1, 2**31, "a whole number from 1 on")


@verb(
    "start a Ray cluster on this machine that stays, or join another machine's",
    word("--address", type=_head, metavar="HEAD[:PORT]", help="join the cluster of this machine (default: start one)"),
    word("--num-cpus", type=CPUS, metavar="N", help="CPUs it may use here (default: all)"),
    word("--port", type=PORT, metavar="P", help="for machines that join (default: 6379 if free)"),
    word("--client-port", type=PORT, metavar="Q", help="for ray:// (default: 10001 if free)"),
    word("--node-ip-address", metavar="IP", help="of this machine, as the others reach it (default: a guess)"),
    word("--temp-dir", type=Path, metavar="D", help="for Ray's logs and sockets (default: Ray's own)"),
    word(
        "--block",
        action="store_true",
        help="stay in the foreground until Ctrl-C or SIGTERM, then end what was started (systemd, srun, containers)",
    ),
    more="Trials run in the\nfolder where it is started; labs lie in RAYLAB_HOME (~/raylab) of the first machine, the "
    "head. A second one joins\nwith the line that the head prints, `raylab start --address HEAD`. Both need the "
    "same Ray and Python (minor\nversion), and the same token if there is one (~/.ray/auth_token).",
    example="raylab start --num-cpus 8",
)
def start(
    address: str | None,
    num_cpus: int | None,
    port: int | None,
    client_port: int | None,
    node_ip_address: str | None,
    temp_dir: Path | None,
    block: bool,
) -> int:
    from raylab.terminal import background

    if address is not None and (port or client_port):
        raise Misuse("--port and --client-port are the head's; a machine that joins takes --address alone")
    with background.ended_by_signals():
        if address is not None:
            found, new = background.join(address, num_cpus=num_cpus, ip=node_ip_address, temp_dir=temp_dir)
        else:
            found, new = background.start(
                port=port, client_port=client_port, num_cpus=num_cpus, ip=node_ip_address, temp_dir=temp_dir
            )
        if block and not new:
            raise LabUnavailable(f"{_is(found, new)}, and --block ends only what it started; `raylab stop` first")
        print(f"{_is(found, new)}; {'Ctrl-C or SIGTERM ends it' if block else '`raylab stop` ends it'}")
        print(_where(found), flush=True)
        return _block(found) if block else DONE


def _is(found: Started, new: bool) -> str:
    """What this machine is by now."""
    if not found.is_head:
        cluster = f"the Ray cluster at {found.address}"
        return f"this machine has joined {cluster}" if new else f"this machine is in {cluster} already"
    return "a Ray cluster was started, and stays" if new else "a Ray cluster runs here already"


def _where(found: Started) -> str:
    from raylab.client.tokens import FILE
    from raylab.server.known_labs import home

    lines = [("this machine", found.ip)]
    if found.is_head:
        alone = ipaddress.ip_address(found.ip).is_loopback
        lines = [
            ("this machine", found.address),
            ("elsewhere", found.client_address),
            ("join", NO_SECOND if alone else f"raylab start --address {found.address}"),
            ("labs", str(home())),
        ]
    token = f"needed: the file {FILE} of the head, on each other machine" if found.token else NO_TOKEN
    return "\n".join(f"  {name:<13} {value}" for name, value in [*lines, ("token", token)])


def _block(found: Started) -> int:
    """Stay until somebody ends it, or it ends by itself."""
    from raylab.terminal import background

    try:
        background.stay(found)
        died = True
    except KeyboardInterrupt:
        died = False
    with background.deaf():  # a second Ctrl-C must not leave half of it behind
        left = background.stop(found.mark)
    if died and left is not None:  # else `raylab stop` has ended it
        raise LabUnavailable(
            f"Ray has ended by itself on this machine, which was in the cluster at {found.address}; what was left of "
            f"it was ended too, and its logs are in {found.temp_dir}"
        )
    print(_ended(found))
    return DONE


@verb(
    "end what `raylab start` started on this machine, and nothing else",
    more="Where the machine had\njoined another one's cluster, that goes on without it.",
    example="raylab stop",
)
def stop() -> int:
    from raylab.terminal import background

    ended = background.stop()
    print("no cluster that `raylab start` started runs here" if ended is None else _ended(ended))
    return DONE


def _ended(known: Started) -> str:
    """What became of what ran on this machine."""
    if known.is_head:
        return (
            f"the Ray cluster at {known.address} was ended\n"
            "nothing is lost: the notebooks stay, and what was running runs again when its lab is next attached to"
        )
    return (
        f"this machine has left the Ray cluster at {known.address}\n"
        "nothing is lost: what was running here runs again on the other machines"
    )
