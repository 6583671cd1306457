"""States as single ints, explored by remembering what each small part of a state allows."""
