"""A reporter that keeps what it is told."""


class Notes:
    def __init__(self):
        self.notes, self.steps = [], []

    def note(self, line):
        self.notes.append(line)

    def progress(self, what, done, total=None):
        self.steps.append((what, done, total))

    def clear(self):
        pass
