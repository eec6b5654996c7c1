"""A beam search as a tree: which hypotheses were extended, dropped from the beam or ended (`decoding/beam.py`)."""

from __future__ import annotations

from typing import Any

from seqcli.decoding import beam
from seqcli.decoding.generate import GenerationSettings, generate
from seqcli.decoding.translate import TranslationSettings, translate
from seqcli.errors import UsageError
from seqcli.explain.model_inputs import check_source
from seqcli.interfaces import OpenModel, OpenTranslator
from seqcli.results.views import Search, SearchNode


def search(opened: Any, text: str, *, beam_size: int = 4, max_new_tokens: int = 20) -> Search:
    """The search by which a language model continues a text or a translator translates it. Raises UsageError for another model."""
    tree = _Tree()
    with beam.watched(tree.add):
        if isinstance(opened, OpenTranslator):
            check_source(opened, text)
            list(translate(opened, [text], TranslationSettings(beam_size=beam_size, n_best=beam_size)))
            vocabulary = opened.target.vocabulary()
        elif isinstance(opened, OpenModel):
            settings = GenerationSettings(max_new_tokens=max_new_tokens, beam_size=beam_size, num_samples=beam_size)
            list(generate(opened, [text], settings, first=1))
            vocabulary = opened.tokenizer.vocabulary()
        else:
            raise UsageError(f"{opened.name} has no beam search", cure="give a language model or a translator")
    return Search(beam_size, tree.nodes(vocabulary, results=beam_size))


class _Tree:
    """Collects the steps of a search. The beam of a step is the list of its live nodes, best first."""

    def __init__(self) -> None:
        self._steps: list[tuple[int | None, int, float, bool]] = []  # parent, token, log p, whether it is done
        self._beam: list[int] = []

    def add(self, step: beam.Step) -> None:
        if step.first:
            self._steps, self._beam = [], []  # the search may be repeated with a wider beam
        nodes = []
        for parent, token, log_prob, done in zip(step.parent, step.token, step.log_prob, step.done):
            self._steps.append((self._beam[parent] if self._beam else None, token, log_prob, done))
            if not done:
                nodes.append(len(self._steps) - 1)
        self._beam = nodes

    def nodes(self, vocabulary: list[str], *, results: int) -> list[SearchNode]:
        """results: number of complete hypotheses that get a rank."""
        extended = {parent for parent, *_ in self._steps}
        done = sorted(
            (node for node, step in enumerate(self._steps) if step[3]), key=lambda node: -self._steps[node][2]
        )
        rank = {node: place for place, node in enumerate(done[:results], 1)}
        return [
            SearchNode(parent, vocabulary[token], log_prob, node in extended or ended, ended, rank.get(node))
            for node, (parent, token, log_prob, ended) in enumerate(self._steps)
        ]
