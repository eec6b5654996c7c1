"""Commands and options that users of other tools guess, and what they are called here.

`COMMANDS`, `TRAINING` and `OPTIONS` are the whole knowledge; what is in none of them is compared with the names that
exist. Each error names a command line or an option that works.
"""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence

from seqcli import catalog
from seqcli.errors import UsageError

# Words separated by blanks: the command line that does it, to which the rest of the arguments are added.
COMMANDS = {
    "perplexity ppl bpb evaluate-lm": "score --level corpus",
    "lm logprob log-prob query rank surprisal probability prob": "score",
    "sentiment label predict classifier classification topic": "classify",
    "evaluate eval test accuracy": "classify --evaluate",
    "complete continue sample gen write chat run prompt generation": "generate",
    "next": "generate --next 10",
    "mt nmt translation translator trans": "translate",
    "embedding embeddings vector vectors word2vec fasttext encode-text similar": "embed",
    "neighbors neighbours nearest most-similar nn": "embed --neighbours",
    "analogy analogies": "embed --analogy",
    "bleu": "translate --reference FILE",
    "tok encode segment tokenizer tokenization spm split": "tokenize",
    "decode detokenize": "tokenize --decode",
    "vocab vocabulary": "tokenize --vocab",
    "fit learn finetune fine-tune": "train",
    "list ls models show inspect describe stat cat": "info",
    "verify check": "info --verify",
    "export import arpa": "convert",
    "tutorial example examples start tour quickstart": "demo",
    "man usage": "help",
    "version": "--version",
}
TRAINING = {
    "language language-model languagemodel language_model model": "train lm",
    "sentiment classify classification text-classification": "train classifier",
    "translate translation mt nmt seq2seq": "train translator",
    "tokenize tok bpe unigram spm sentencepiece words characters bytes vocab": "train tokenizer",
    "embed embedding vectors word2vec fasttext w2v words2vec": "train embeddings",
    "help": "help train",
}
# Options separated by blanks: what is meant, the first that the command has. Words that begin with no dash are always
# possible; {} is the value that was given.
OPTIONS = {
    "--lr --learn-rate --learningrate --eta": ("--learning-rate",),
    "--epoch --num-epochs --n-epochs --max-epochs --num-train-epochs --passes": ("--epochs",),
    "--step --max-steps --num-steps --iterations --iters --updates --max-updates": ("--steps",),
    "--time --minute --max-time --time-limit": ("--minutes",),
    "--gpu --cuda --use-gpu --gpus": ("--device cuda",),
    "--cpu --no-cuda --no-gpu": ("--device cpu",),
    "--fp16 --half": ("--precision fp16",),
    "--bf16": ("--precision bf16",),
    "--dtype --amp": ("--precision",),
    "--batch-size --batch --bs --batchsize --per-device-train-batch-size": ("--batch-tokens N, which counts tokens",),
    "--model-type --architecture --model-arch --network --cell --type --algorithm": ("--arch",),
    "--lstm": ("--arch lstm",),
    "--gru": ("--arch gru",),
    "--rnn": ("--arch rnn",),
    "--transformer": ("--arch transformer",),
    "--ngram": ("--arch ngram",),
    "--n --ngram-order --ngram-size": ("--order",),
    "--hidden --hidden-size --hidden-dim --dim --d-model --units": ("--set width={}",),
    "--embedding-dim --embedding-size --emb-dim --vector-size": ("--dim", "--set embedding={}"),
    "--num-layers --n-layers --depth": ("--set layers={}",),
    "--num-heads --n-heads": ("--set heads={}",),
    "--size": ("--preset",),
    "--ws --window-size": ("--window",),
    "--neighbors --neighbour --neighbor --nearest --most-similar": ("--neighbours",),
    "--dev --validation --val --valid-file --eval-file --validation-data --dev-file": ("--valid",),
    "--vocabulary-size --max-vocab --vocab-limit": ("--vocab-size",),
    "--min-freq --min-frequency --min-word-count --mincount": ("--min-count",),
    "--overwrite --override --replace": ("--force",),
    "--continue --restart --from-checkpoint": ("--resume",),
    "--pretrained --from-pretrained": ("--init", "--model"),
    "--out --output-dir --out-dir --save --save-dir --output-file --out-file --save-model": ("--output",),
    "-i --input --data --train --train-file --train-data --corpus --training-data": ("--input", "give the files without an option"),
    "--file --in --infile --input-file --text-file --read": ("--input", "give the files without an option"),
    "--text --sentence --prompt": ("give the text without an option",),
    "-m --model --model-path --model-dir --model-name --model-name-or-path --checkpoint --ckpt": (
        "--model", "--init", "give the folder of the model without an option",
    ),
    "--max-length --max-len --length --max-tokens --num-tokens --tokens": ("--max-new-tokens",),
    "--num-return-sequences --samples --n-samples --num": ("--num-samples", "--n-best"),
    "--temp -t": ("--temperature",),
    "--k --topk": ("--top-k", "--next"),
    "--p --topp --nucleus": ("--top-p",),
    "--beam --beams --num-beams --beam-width": ("--beam-size",),
    "--nbest": ("--n-best",),
    "--penalty --rep-penalty": ("--repetition-penalty",),
    "--no-repeat-ngram-size": ("--no-repeat-ngram",),
    "--random-seed --random-state --rng": ("--seed",),
    "--workers --num-workers --jobs -j --cores --num-threads --nthreads --thread": ("--threads",),
    "--json-lines --jsonl --as-json --output-format": ("--json",),
    "--silent --no-progress": ("--quiet",),
    "--labels --label --target": ("--label-column", "--target-column"),
    "--column --col --field --text-field": ("--text-column",),
    "--delimiter --sep --separator": ("--format",),
    "--src --source-lang --source-language": ("--source-column", "--source"),
    "--tgt --target-lang --target-language": ("--target-column", "--target"),
    "--ref --refs --references --bleu": ("--reference",),
    "--perplexity --ppl --bpb": ("--level corpus",),
    "--per-token --token --tokens --surprisal": ("--level token",),
    "--per-word --word": ("--level word",),
    "--eval --test --accuracy --f1": ("--evaluate", "--level corpus"),
    "--scores --with-score": ("--with-scores",),
    "--attn --attentions": ("--attention",),
    "-V": ("give it before the command: seqcli --version",),
}  # fmt: skip
_NEAR = 0.7  # of `difflib`'s similarity: --epoch and --epochs have 0.92, --lr and --plot 0.6
_READING = ("tokenize", "generate", "translate", "classify", "score", "embed")  # commands whose arguments are texts


def command(words: Sequence[str], *, known: Sequence[str], of: str) -> UsageError:
    """The error for a command that does not exist. words: its name and what follows; known: commands of `of`, a command line."""
    name, rest = words[0], words[1:]
    training = of.endswith(" train")
    meant = _found(TRAINING if training else COMMANDS, name.casefold())
    if meant is None and (close := difflib.get_close_matches(name, known, n=1, cutoff=_NEAR)):
        meant = f"train {close[0]}" if training else close[0]
    if meant is None and (trained := catalog.trained_by(name)) is not None:
        meant = f"{trained} --arch {name}"
        rest = rest or ["DATA", "-o", "DIR"]
    if meant is None and not training and name in ("lm", "classifier", "translator"):
        meant = f"train {name}"
    if meant is None and (_is_file(name) or (training and "." in name)):
        meant, rest = ("train lm" if training else "score"), words
        rest = [*rest, *(["-o", "DIR"] if training and "-o" not in rest else [])]
    if meant is None and " " in name.strip():
        meant, rest = ("train lm" if training else "score"), words
    if meant is None:
        return UsageError(f"no such command: {name!r}", cure=f"one of {', '.join(known)}; see {of} --help")
    if meant.split()[0] in _READING:
        rest = list(_files_read(rest))
    return UsageError(
        f"no such command: {name!r}", cure=f"did you mean `{' '.join(['seqcli', meant, shlex.join(rest)]).strip()}`?"
    )


def option(
    name: str, arguments: Sequence[str], *, known: Sequence[str], of: str, elsewhere: Mapping[str, Sequence[str]]
) -> UsageError:
    """The error for an option that the command `of` does not have.

    name: as the parser names it, `-l` of `-lr`; arguments: the whole command line; known: the options that the command
    has; elsewhere: those of every command, by its whole name.
    """
    name, value = _as_written(name, arguments)
    long = f"--{name.lstrip('-').replace('_', '-')}" if len(name) > 2 else name
    return UsageError(f"no such option: {name}", cure=_cure(long, value, known, of, elsewhere))


def _cure(long: str, value: str | None, known: Sequence[str], of: str, elsewhere: Mapping[str, Sequence[str]]) -> str:
    if long in known:
        return f"did you mean {_with(long, value)}?"
    meanings = _found(OPTIONS, long) or ()
    for meant in meanings:
        if meant.split()[0] in known:
            return f"did you mean {_with(meant, value)}?"
        if not meant.startswith("-") and of in elsewhere:
            return meant
    if "--set" in known and (setting := long[2:].replace("-", "_")) in _settings():
        return f"did you mean --set {setting}={value or 'VALUE'}?"
    if close := difflib.get_close_matches(long, known, n=1, cutoff=_NEAR):
        return f"did you mean {_with(close[0], value)}?"
    for meant in (long, *meanings):
        if owners := [f"`{command}`" for command, options in elsewhere.items() if meant.split()[0] in options]:
            called = "it is" if meant == long else f"{meant.split()[0]} is"
            return f"{called} an option of {_and(owners)}"
    return f"see {of} --help"


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _found(table: Mapping, name: str):
    return next((meant for guesses, meant in table.items() if name in guesses.split()), None)


def _with(meant: str, value: str | None) -> str:
    """The option and the value that was given, where it takes one."""
    if "{}" in meant:
        return meant.format(value or "N")
    return meant if value is None or " " in meant else f"{meant} {shlex.quote(value)}"


def _as_written(name: str, arguments: Sequence[str]) -> tuple[str, str | None]:
    """The option as the user wrote it, and the value after it. Of `-lr 0.1` the parser sees `-l`."""
    for index, word in enumerate(arguments):
        written, sign, value = word.partition("=")
        if written == name or (len(name) == 2 and word.startswith(name) and not word.startswith("--")):
            following = arguments[index + 1] if index + 1 < len(arguments) else "-"
            return written, value if sign else None if following.startswith("-") else following
    return name, None


def _settings() -> set[str]:
    """The names that --set takes, as far as they are known without importing torch."""
    import dataclasses

    from seqcli.training import config

    of_presets = {
        name
        for task in catalog.TRAINING
        for arch in catalog.architectures(task)
        for settings in catalog.presets(task, arch)[1].values()
        for name in settings
    }
    return of_presets | {field.name for field in dataclasses.fields(config.Plan)}


def _files_read(words: Sequence[str]) -> Iterator[str]:
    """The arguments with -i before each that names a file."""
    previous = ""
    for word in words:
        if _is_file(word) and not previous.startswith("-"):
            yield "-i"
        yield word
        previous = word


def _is_file(word: str) -> bool:
    try:
        return os.path.isfile(word)
    except ValueError:  # a NUL
        return False
