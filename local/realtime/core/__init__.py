"""The protocol without I/O: frames, answers and the time come in; frames, closes and questions come out."""
