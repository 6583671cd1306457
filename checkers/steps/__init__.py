"""What the steps of an action with given parameters can do, and which pairs of steps commute."""
