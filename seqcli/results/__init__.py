"""What the verbs answer, as typed records, one file per task: each command imports only its own."""
