"""`seqcli train`: train a tokenizer or a model on text."""

import typer

from seqcli.commands.declaration import Command, Group
from seqcli.commands.train.classifier import classifier
from seqcli.commands.train.embeddings import embeddings
from seqcli.commands.train.lm import lm
from seqcli.commands.train.tokenizer import tokenizer
from seqcli.commands.train.translator import translator

COMMANDS = {
    lm: "Train a language model.",
    classifier: "Train a text classifier.",
    translator: "Train a translator.",
    embeddings: "Train word embeddings.",
    tokenizer: "Train a tokenizer.",
}
app = typer.Typer(cls=Group, help="Train a tokenizer or a model.", no_args_is_help=True, rich_markup_mode=None)
for command, summary in COMMANDS.items():
    app.command(command.__name__, cls=Command, short_help=summary)(command)
