"""Foreign formats, a file each, and how a path tells of one."""


def is_arpa(path: str) -> bool:
    return path.endswith((".arpa", ".arpa.gz"))
