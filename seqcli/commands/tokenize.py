def tokenize() -> None:
    """x"""
