/* What Python calls: a set of states is opened, levels are made and expanded, figures are read. */

#define EXPORT __attribute__((visibility("default")))

EXPORT space *space_open(uint64_t limit, int scratch)
{
    space *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->limit = limit;
    s->scratch = scratch;
    while (((uint64_t)STATE_BYTES << s->chunk_bits) < CHUNK_BYTES)
        s->chunk_bits++;
    s->chunk_bytes = ((uint64_t)STATE_BYTES << s->chunk_bits) + 4095;
    s->chunk_bytes &= ~UINT64_C(4095);
    pthread_rwlock_init(&s->lock, NULL);
    s->first = malloc(sizeof(run));
    memset(s->sought, 1, sizeof s->sought);
    if (s->first)
        reset(s->first, s, EXPLORE);
    s->working[0] = s->first;
    s->threads = s->first != NULL;
    if (!s->first || !index_of(s, 1 << 14)) {
        free(s->first);
        free(s);
        return NULL;
    }
    return s;
}

EXPORT void space_close(space *s)
{
    for (int i = 0; i < CHUNKS; i++)
        if (s->chunk[i])
            munmap(s->chunk[i], s->chunk_bytes);
    if (s->entry)
        munmap((void *)s->entry, s->entries * sizeof *s->entry);
    pthread_rwlock_destroy(&s->lock);
    free(s->cost);
    free(s->leads_down);
    free(s->first);
    free(s);
}

/* Let the threads that are at work end at once. */
EXPORT void space_halt(space *s)
{
    s->halted = 1;
}

/* Add states to the level that is being made: how many are new, below 0 what failed. */
EXPORT int64_t space_add(space *s, const uint8_t *cells, uint64_t count, int judged)
{
    run *x = s->first;
    int64_t added = 0;
    reset(x, s, EXPLORE);
    for (uint64_t i = 0; i < count; i++) {
        packed given;
        representative_of(cells + i * FLAT_BYTES, &given);
        int kept = is_crowded(s) && !grow(s) ? -1 : keep(x, &given, hash_of(&given));
        if (kept < 0)
            return s->scratch_is_full ? -SCRATCH_IS_FULL : -OUT_OF_MEMORY;
        added += kept;
        if (kept && judged)
            judge(x, &given, ~UINT64_C(0));
    }
    if (x->spare != UINT64_MAX)
        give_back(s, x->spare);
    x->spare = UINT64_MAX;
    return added;
}

/* The level that was made is complete: its states are the next to be expanded. Their number, or -1
 * if there are too many levels. */
EXPORT int64_t space_next_level(space *s)
{
    if (s->levels == MOST_LEVELS)
        return -1;
    uint64_t end = s->levels ? s->starts[s->levels] : 0;
    s->cursor = end;
    s->starts[++s->levels] = s->count;
    return (int64_t)(s->count - end);
}

/* Expand the level for so many seconds: 1 when it is done, 0 when not, below 0 what failed. */
EXPORT int space_expand(space *s, int threads, double seconds)
{
    share work = {.space = s, .mode = EXPLORE, .to = s->starts[s->levels],
                  .until = seconds > 0 ? now() + seconds : 0};
    int failed = together(&work, threads > MOST_THREADS ? MOST_THREADS : threads);
    return failed ? -failed : s->cursor >= work.to;
}

EXPORT void space_figures(space *s, uint64_t *fired, uint64_t *crashed, uint64_t *cuts,
                          uint8_t *broken, uint8_t *seen, uint64_t *bytes)
{
    memcpy(fired, s->fired, sizeof s->fired);
    memcpy(crashed, s->crashed, sizeof s->crashed);
    memcpy(cuts, s->cuts, sizeof s->cuts);
    for (int i = 0; i < ALL_RULES; i++)
        broken[i] = s->broken[i];
    for (int i = 0; i < WITNESSES; i++)
        seen[i] = s->seen[i];
    bytes[0] = s->used;
    bytes[1] = s->on_disk;
    bytes[2] = s->count;
    bytes[3] = s->cursor;
    bytes[4] = s->count * STATE_BYTES + s->entries * sizeof *s->entry;
}

/* Go on from known figures. */
EXPORT void space_restore(space *s, const uint64_t *fired, const uint64_t *crashed,
                          const uint64_t *cuts, const uint8_t *broken, const uint8_t *seen)
{
    memcpy(s->fired, fired, sizeof s->fired);
    memcpy(s->crashed, crashed, sizeof s->crashed);
    memcpy(s->cuts, cuts, sizeof s->cuts);
    for (int i = 0; i < ALL_RULES; i++)
        s->broken[i] = broken[i];
    for (int i = 0; i < WITNESSES; i++)
        s->seen[i] = seen[i];
}

/* Look at a rule no longer (0), or again (1). */
EXPORT void space_seek(space *s, int rule, int sought)
{
    s->sought[rule] = (uint8_t)sought;
}

EXPORT void space_states(space *s, uint64_t first, uint64_t count, uint8_t *cells)
{
    for (uint64_t i = 0; i < count; i++) {
        packed kept;
        state own;
        load(s, first + i, &kept);
        unpack(&kept, &own);
        memcpy(cells + i * FLAT_BYTES, &own, FLAT_BYTES);
    }
}

EXPORT void space_canonical(const uint8_t *cells, uint8_t *out)
{
    packed kept;
    state own;
    representative_of(cells, &kept);
    unpack(&kept, &own);
    memcpy(out, &own, FLAT_BYTES);
}

EXPORT int64_t space_find(space *s, const uint8_t *cells)
{
    packed wanted;
    uint64_t at;
    representative_of(cells, &wanted);
    return look_up(s, &wanted, hash_of(&wanted), &at);
}

/* Where a level ends; one that was not finished is all that was found beyond the last. */
static uint64_t end_of(const space *s, int level)
{
    return level < s->levels ? s->starts[level + 1] : s->count;
}

/* Of each state on a shortest way to a breach of a rule: the fewest faults on the way. `level` is
 * that of the states that break it, or in which a step that breaks it begins. The rule behind the
 * last is that a state can be taken down. */
EXPORT int space_lead_back(space *s, int rule, int level, int threads)
{
    if (!s->cost && !(s->cost = malloc(s->count + 1)))
        return 0;
    memset(s->cost, FAR, s->count);
    for (int at = level; at >= 0; at--) {
        share work = {.space = s, .mode = at == level ? FIND_BREACH : LEAD_BACK, .rule = rule,
                      .to = end_of(s, at), .next_from = end_of(s, at), .next_to = end_of(s, at + 1)};
        s->cursor = s->starts[at];
        if (together(&work, threads))
            return 0;
    }
    return 1;
}

EXPORT int space_cost(space *s, const uint8_t *cells, int level)
{
    int64_t number = space_find(s, cells);
    if (number < 0 || (uint64_t)number < s->starts[level] || (uint64_t)number >= end_of(s, level))
        return FAR;
    return s->cost[number];
}

/* The first state that teardown actions cannot bring to an empty host; -1 if there is none, -2
 * without memory, or halted. */
EXPORT int64_t space_stuck(space *s, int threads)
{
    uint64_t count = s->starts[s->levels];
    if (!s->leads_down && !(s->leads_down = malloc(count + 1)))
        return -2;
    run *x = s->first;
    reset(x, s, TEAR_DOWN);
    for (uint64_t number = 0; number < count && !s->halted; number++) {
        load(s, number, &x->kept);
        unpack(&x->kept, &x->base);
        s->leads_down[number] = (uint8_t)holds(x, (rule_text){empty, 0}, &x->base, &x->base);
    }
    _Atomic int changed = 1;
    while (changed) {
        changed = 0;
        share work = {.space = s, .mode = TEAR_DOWN, .to = count, .changed = &changed};
        s->cursor = 0;
        if (together(&work, threads))
            return -2;
    }
    for (uint64_t number = 0; number < count; number++)
        if (!s->leads_down[number])
            return (int64_t)number;
    return -1;
}
