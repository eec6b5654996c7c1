"""Typed results of the commands, one file per task, so that each command imports only its own."""
