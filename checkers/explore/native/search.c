/* Breadth first: every action from every state of a level, by threads that share the work; and the
 * walks back over the levels that make a trace, or say what cannot be taken down.
 *
 * A step that wrote nothing, or nothing new, leads back to where it began and is not looked up. The
 * others are kept until there are BATCH of them, so that memory has come by the time they are looked
 * up. A rule is evaluated in a new state only if a column that it reads was written by the step that
 * led there: it held in the state before, or else it is broken and no longer sought.
 */

/* Whether a rule (or a witness) holds: with all picks of rows that an allocator may give; a failed
 * check makes it false. */
static int holds(run *x, int (*rule)(run *, state *, state *), state *before, state *after, int every)
{
    jmp_buf frame, *outer = x->escape;
    choices *picks = x->choices;
    volatile int answer = every;
    x->escape = &frame;
    x->choices = &x->rule_choices;
    no_choice_yet(&x->rule_choices, after);
    if (_setjmp(frame)) {
        answer = 0;
    } else {
        do
            answer = rule(x, before, after);
        while (answer == every && RELAXED && next_choice(&x->rule_choices));
    }
    x->escape = outer;
    x->choices = picks;
    return answer;
}

/* A rule is broken, here by a step that has so many faults. */
static void breach(run *x, int rule)
{
    if (x->mode == FIND_BREACH) {
        if (rule == x->rule && (x->fault > 0) < x->best)
            x->best = x->fault > 0;
    } else if (x->mode == EXPLORE) {
        atomic_store_explicit(&x->space->broken[rule], 1, memory_order_relaxed);
    }
}

/* Look at what is said of a new state, of which these columns were written. */
static void judge(run *x, state *s, uint64_t written)
{
    space *all = x->space;
    for (int rule = 0; rule < RULES; rule++)
        if (all->sought[rule] && (rules[rule].reads & written) && !holds(x, rules[rule].holds, s, s, 1))
            breach(x, rule);
    for (int w = 0; w < WITNESSES; w++)
        if (!atomic_load_explicit(&all->seen[w], memory_order_relaxed) &&
                (witnesses[w].reads & written) && holds(x, witnesses[w].holds, s, s, 0))
            atomic_store_explicit(&all->seen[w], 1, memory_order_relaxed);
}

static int hand_out(run *x);
static int leads_down_anywhere(run *x);

/* Look up all states that wait. */
static void flush(run *x)
{
    space *s = x->space;
    if (s->division && !hand_out(x))
        x->failed = OUT_OF_MEMORY;
    if (!x->batched)
        return;
    if ((s->growing || is_crowded(s)) && !grow(s))
        x->failed = OUT_OF_MEMORY;
    if (x->failed) {
        x->batched = 0;
        return;
    }
    uint8_t is_new[BATCH];
    int kept = 1;
    pthread_rwlock_rdlock(&s->lock);
    for (int i = 0; i < x->batched; i++) {
        uint32_t entry = s->entry[home(s, x->batch[i].hash)];
        if (entry && same_tag(s, entry, tag(s, x->batch[i].hash))) {
            const uint8_t *there = stored(s, number_in(s, entry));
            __builtin_prefetch(there);
            if (STATE_BYTES > 1)
                __builtin_prefetch(there + STATE_BYTES - 1);
        }
    }
    for (int i = 0; i < x->batched && kept >= 0; i++) {
        kept = keep(x, &x->batch[i].at, x->batch[i].hash);
        is_new[i] = kept == 1;
    }
    pthread_rwlock_unlock(&s->lock);
    if (kept < 0)
        x->failed = OUT_OF_MEMORY;
    for (int i = 0; i < x->batched && !x->failed; i++)
        if (is_new[i])
            judge(x, &x->batch[i].at, x->batch[i].written);
    x->batched = 0;
}

/* The number of the representative of a state. */
static int64_t number_of(const space *s, const state *found)
{
    state own = *found;
    uint64_t at;
    canonical(&own, ~UINT64_C(0));
    return look_up(s, &own, hash_of(&own), &at);
}

/* A step has led to another state. */
static void reach(run *x)
{
    space *s = x->space;
    if (x->mode == EXPLORE) {
        candidate *c = &x->batch[x->batched++];
        c->at = x->now;
        c->written = x->written;
        canonical(&c->at, x->written);
        c->hash = hash_of(&c->at);
        __builtin_prefetch((void *)&s->entry[home(s, c->hash)], 1);
        if (x->batched == BATCH)
            flush(x);
        return;
    }
    if (x->mode == FIND_BREACH)
        return;
    if (x->mode == TEAR_DOWN && s->division) {
        x->astray |= !leads_down_anywhere(x);
        return;
    }
    int64_t number = number_of(s, &x->now);
    if (number < 0) {
        x->astray = 1;
        return;
    }
    if (x->mode == TEAR_DOWN) {
        x->astray |= !s->leads_down[number];
    } else if ((uint64_t)number >= x->from && (uint64_t)number < x->to && s->cost[number] != FAR) {
        int cost = s->cost[number] + (x->fault > 0);
        if (cost < x->best)
            x->best = cost;
    }
}

/* What is said of a step that reported an error. */
static void judge_refusal(run *x)
{
    if (!x->written && x->mode == EXPLORE) {
        if (x->refused)
            return;
        x->refused = 1;
    }
    for (int n = 0; n < FAILURES; n++) {
        int rule = RULES + n;
        int wanted = x->mode == EXPLORE ? x->space->sought[rule] : x->rule == rule;
        if (wanted && !holds(x, refusals[n].holds, &x->base, &x->now, 1))
            breach(x, rule);
    }
}

/* A run that wrote something, or was refused, came to its end. */
static void has_effect(run *x, int result)
{
    if (x->calls >= x->fault) {
        if (FAILURES && result && (x->mode == EXPLORE || x->mode == FIND_BREACH))
            judge_refusal(x);
        if (x->written && !equal(&x->now, &x->base))
            reach(x);
        else
            x->astray = 1;
    }
    if (x->written)
        x->now = x->base;
    x->written = 0;
}

/* A run ended before. */
static void stopped(run *x)
{
    if (x->calls >= x->fault && x->ending == CUT) {
        x->met |= UINT64_C(1) << x->why;
    } else if (x->calls >= x->fault && x->ending == CRASH) {
        x->kinds |= HAS_CRASHED;
        if (x->why == TOO_MANY_CHOICES)
            x->failed = TOO_MANY_CALLS;
        breach(x, CRASH_RULE);
    }
    if (x->calls > MOST_CALLS)
        x->failed = TOO_MANY_CALLS;
    if (x->written)
        x->now = x->base;
    x->written = 0;
}

/* What is rare: a bound cut runs off, or a step is asked whether it leads down. */
static void settle_rest(run *x)
{
    if (x->mode == TEAR_DOWN && x->kinds == IS_DONE && !x->met && !x->astray)
        x->best = 1;
    for (; x->met; x->met &= x->met - 1)
        x->cuts[__builtin_ctzll(x->met)]++;
}

/* Take every step from a state; of a teardown those of its actions alone. */
static void expand(run *x, uint64_t number)
{
    load(x->space, number, &x->base);
    x->now = x->base;
    x->refused = 0;
    x->faults = 0;
    for (int action = 0; action < ACTIONS; action++)
        if (x->mode != TEAR_DOWN || tears_down[action]) {
            x->action = action;
            expanders[action](x);
        }
}

/* One thread's share of the states from `from` (counting on) to `to`. */
typedef struct {
    space *space;
    enum mode mode;
    int rule, failed;
    uint64_t to, next_from, next_to;
    double until;
    _Atomic int *changed;
    run *own;
} share;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void reset(run *x, space *s, enum mode mode)
{
    memset(x, 0, sizeof *x);
    x->space = s;
    x->mode = mode;
    x->choices = &x->action_choices;
    x->spare = UINT64_MAX;
}

/* What a mode does with one state. */
static void visit(run *x, share *work, uint64_t number)
{
    space *s = x->space;
    if (x->mode == EXPLORE) {
        expand(x, number);
        return;
    }
    uint64_t place = x->mode == TEAR_DOWN ? s->count - 1 - number : number;
    if (x->mode == TEAR_DOWN && s->leads_down[place])
        return;
    x->best = x->mode == TEAR_DOWN ? 0 : FAR;
    if (x->mode == FIND_BREACH && x->rule == ALL_RULES) {
        x->best = s->leads_down[place] ? FAR : 0;
    } else if (x->mode == FIND_BREACH && x->rule < RULES) {
        load(s, place, &x->base);
        if (!holds(x, rules[x->rule].holds, &x->base, &x->base, 1))
            x->best = 0;
    } else {
        expand(x, place);
    }
    if (x->mode != TEAR_DOWN) {
        s->cost[place] = (uint8_t)x->best;
    } else if (x->best) {
        s->leads_down[place] = 1;
        *work->changed = 1;
    }
}

static void *share_of(void *given)
{
    share *work = given;
    space *s = work->space;
    run *x = work->own;
    enum { BLOCK = 16 };
    reset(x, s, work->mode);
    x->rule = work->rule;
    x->from = work->next_from;
    x->to = work->next_to;
    while (!x->failed && (work->until == 0 || now() < work->until)) {
        uint64_t first = atomic_fetch_add(&s->cursor, BLOCK);
        uint64_t end = first + BLOCK < work->to ? first + BLOCK : work->to;
        if (first >= work->to)
            break;
        for (uint64_t number = first; number < end && !x->failed; number++)
            visit(x, work, number);
    }
    flush(x);
    work->failed = x->failed;
    return NULL;
}

enum { MOST_THREADS = 64 };

/* Let so many threads share the states from the cursor to `to`; what kept them from it, or 0. */
static int together(share *model, int threads)
{
    space *s = model->space;
    pthread_t thread[MOST_THREADS];
    share work[MOST_THREADS];
    int started = 0, failed = 0;
    if (model->to - s->cursor < 64)
        threads = 1;
    for (int i = 0; i < threads; i++) {
        work[i] = *model;
        work[i].own = i ? malloc(sizeof(run)) : s->first;
    }
    while (started + 1 < threads && work[started + 1].own &&
            !pthread_create(&thread[started + 1], NULL, share_of, &work[started + 1]))
        started++;
    share_of(&work[0]);
    for (int i = 1; i <= started; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i <= started; i++) {
        run *x = work[i].own;
        for (int a = 0; a < ACTIONS && model->mode == EXPLORE; a++) {
            s->fired[a] += x->fired[a];
            s->crashed[a] += x->crashed[a];
        }
        for (int b = 0; b < BOUNDS && model->mode == EXPLORE; b++)
            s->cuts[b] += x->cuts[b];
        failed = work[i].failed ? work[i].failed : failed;
    }
    /* Unused numbers are given back from the largest, so that each is still the last or below it. */
    for (int round = 0; round <= started; round++) {
        run *largest = NULL;
        for (int i = 0; i <= started; i++)
            if (work[i].own->spare != UINT64_MAX && (!largest || work[i].own->spare > largest->spare))
                largest = work[i].own;
        if (largest && !failed) {
            give_back(s, largest->spare);
            largest->spare = UINT64_MAX;
        }
    }
    for (int i = 1; i < threads; i++)
        free(work[i].own);
    return failed;
}

/* What Python calls. */

#define EXPORT __attribute__((visibility("default")))

EXPORT space *space_open(uint64_t limit, int scratch)
{
    space *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->limit = limit;
    s->scratch = scratch;
    while (((uint64_t)STATE_BYTES << s->chunk_bits) < (1u << 20))
        s->chunk_bits++;
    s->chunk_bytes = ((uint64_t)STATE_BYTES << s->chunk_bits) + 4095;
    s->chunk_bytes &= ~UINT64_C(4095);
    pthread_rwlock_init(&s->lock, NULL);
    s->first = malloc(sizeof(run));
    memset(s->sought, 1, sizeof s->sought);
    if (!s->first || !index_of(s, 1 << 14)) {
        free(s->first);
        free(s);
        return NULL;
    }
    reset(s->first, s, EXPLORE);
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

/* Add states to the level that is being made: how many are new, or -1 without memory. */
EXPORT int64_t space_add(space *s, const uint8_t *cells, uint64_t count, int judged)
{
    run *x = s->first;
    int64_t added = 0;
    reset(x, s, EXPLORE);
    for (uint64_t i = 0; i < count; i++) {
        state given;
        memset(&given, 0, sizeof given);
        pack(cells + i * FLAT_BYTES, &given);
        canonical(&given, ~UINT64_C(0));
        if (is_crowded(s) && !grow(s))
            return -1;
        int kept = keep(x, &given, hash_of(&given));
        if (kept < 0)
            return -1;
        added += kept;
        if (kept && judged)
            judge(x, &given, ~UINT64_C(0));
    }
    if (x->spare != UINT64_MAX)
        give_back(s, x->spare);
    return added;
}

/* The level that was made is complete: its states are the next to be expanded. Their number. */
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
        state own;
        load(s, first + i, &own);
        unpack(&own, cells + i * FLAT_BYTES);
    }
}

EXPORT void space_canonical(const uint8_t *cells, uint8_t *out)
{
    state own;
    memset(&own, 0, sizeof own);
    pack(cells, &own);
    canonical(&own, ~UINT64_C(0));
    unpack(&own, out);
}

EXPORT int64_t space_find(space *s, const uint8_t *cells)
{
    state own;
    memset(&own, 0, sizeof own);
    pack(cells, &own);
    return number_of(s, &own);
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
                      .to = s->starts[at + 1], .next_from = s->starts[at + 1],
                      .next_to = at + 2 <= s->levels ? s->starts[at + 2] : s->count};
        s->cursor = s->starts[at];
        if (together(&work, threads))
            return 0;
    }
    return 1;
}

EXPORT int space_cost(space *s, const uint8_t *cells, int level)
{
    int64_t number = space_find(s, cells);
    if (number < 0 || (uint64_t)number < s->starts[level] || (uint64_t)number >= s->starts[level + 1])
        return FAR;
    return s->cost[number];
}

/* The first state that teardown actions cannot bring to an empty host; -1 if there is none, -2
 * without memory. */
EXPORT int64_t space_stuck(space *s, int threads)
{
    uint64_t count = s->starts[s->levels];
    if (!s->leads_down && !(s->leads_down = malloc(count + 1)))
        return -2;
    run *x = s->first;
    reset(x, s, TEAR_DOWN);
    for (uint64_t number = 0; number < count; number++) {
        load(s, number, &x->base);
        s->leads_down[number] = (uint8_t)holds(x, empty, &x->base, &x->base, 1);
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
