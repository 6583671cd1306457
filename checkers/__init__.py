"""Who checks what must hold, and how it is told."""
