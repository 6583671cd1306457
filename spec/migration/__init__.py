"""Two QEMUs and a guest that moves: what a vIOMMU promises it, and what keeps it from moving."""
