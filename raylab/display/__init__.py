"""What a person sees of a lab: figures and words, pages, pictures. It asks nobody; what it shows is given to it."""
