/* Any of several rows, where an allocator may give any: one of those that differ. */

/* The rows that something names. */
static void note_references(const state *s, uint8_t *touched)
{
    const uint8_t *cells = (const uint8_t *)s;
    EACH_EDGE(cells, from, to, label, (void)from; (void)label; touched[to] = 1;)
}

/* Whether a candidate is as good as an earlier one: nothing names either, and they are the same. */
static int like_another(const run *x, int table, const int *candidates, int place)
{
    const uint8_t *touched = x->choices->touched;
    int own = first_vertex[table] + candidates[place] - 1;
    if (touched[own])
        return 0;
    for (int i = 0; i < place; i++) {
        int other = first_vertex[table] + candidates[i] - 1;
        if (!touched[other] && class_of[other] == class_of[own] && rows_equal((const uint8_t *)x->choices->now, other, own))
            return 1;
    }
    return 0;
}

/* Any of these rows: the one that this run picks of those that differ. */
static int choose(run *x, int table, int *candidates, int count)
{
    choices *c = x->choices;
    if (count < 2)
        return count ? candidates[0] : 0;
    if (!c->known) {
        memset(c->touched, 0, sizeof c->touched);
        note_references(c->origin, c->touched);
        c->known = 1;
    }
    int kept = 0;
    for (int i = 0; i < count; i++)
        if (!like_another(x, table, candidates, i))
            candidates[kept++] = candidates[i];
    int pick = 0;
    if (kept > 1) {
        check(x, c->made < MOST_CHOICES, TOO_MANY_CHOICES);
        if (c->made < c->length)
            pick = c->pick[c->made];
        else
            c->pick[c->length++] = 0;
        c->options[c->made++] = (uint8_t)kept;
    }
    c->touched[first_vertex[table] + candidates[pick] - 1] = 1;
    return candidates[pick];
}
