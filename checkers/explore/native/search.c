/* Breadth first: every action from every state of a level, by threads that share the work; and the
 * walks back over the levels that make a trace, or say what cannot be taken down.
 *
 * A step that wrote nothing, or nothing new, leads back to where it began and is not looked up. The
 * others are kept until there are BATCH of them, so that memory has come by the time they are looked
 * up. A rule is evaluated in a new state only if a column that it reads was written by the step that
 * led there: it held in the state before, or else it is broken and no longer sought.
 */

/* What a rule (or a witness) answers: all picks of rows that an allocator may give are made, as long
 * as the answer is `every`. */
static int answer_of(run *x, rule_text rule, state *before, state *after, int every)
{
    int answer;
    no_choice_yet(&x->rule_choices, after, after);
    do
        answer = rule.holds(x, before, after);
    while (RELAXED && answer == every && next_choice(&x->rule_choices));
    return answer;
}

/* Whether a rule holds; a failed check makes it false. */
static int holds(run *x, rule_text rule, state *before, state *after)
{
    landing frame, *outer = x->escape;
    choices *picks = x->choices;
    volatile int answer = 0;
    x->escape = &frame;
    x->choices = &x->rule_choices;
    if (!LAND(frame))
        answer = answer_of(x, rule, before, after, 1);
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

/* Look at what is said of a new state, of which these columns were written. A failed check makes a
 * rule false, and a witness. */
static void judge(run *x, const packed *kept, uint64_t written)
{
    space *all = x->space;
    state own;
    landing frame, *outer = x->escape;
    choices *picks = x->choices;
    unpack(kept, &own);
    x->escape = &frame;
    x->choices = &x->rule_choices;
    x->judged = 0;
    if (LAND(frame)) {
        if (RULES && x->judged < RULES)
            breach(x, x->judged);
        x->judged++;
    }
    for (; x->judged < RULES; x->judged++) {
        rule_text rule = rules[x->judged];
        if (all->sought[x->judged] && (rule.reads & written) && !answer_of(x, rule, &own, &own, 1))
            breach(x, x->judged);
    }
    for (; x->judged < RULES + WITNESSES; x->judged++) {
        rule_text witness = witnesses[x->judged - RULES];
        _Atomic uint8_t *seen = &all->seen[x->judged - RULES];
        if (!atomic_load_explicit(seen, memory_order_relaxed) && (witness.reads & written) &&
                answer_of(x, witness, &own, &own, 0))
            atomic_store_explicit(seen, 1, memory_order_relaxed);
    }
    x->escape = outer;
    x->choices = picks;
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
    packed own;
    uint64_t at;
    representative(found, &own);
    return look_up(s, &own, hash_of(&own), &at);
}

/* A step has written: look up later where it has led to, unless that is where it began. */
static void await(run *x)
{
    const space *s = x->space;
    candidate *c = &x->batch[x->batched];
    canonical(&x->now, x->written);
    pack(&x->now, &c->at);
    c->written = x->written;
    c->hash = hash_of(&c->at);
    if (c->hash == x->hash && equal(&c->at, &x->kept))
        return;
    __builtin_prefetch((void *)(s->entry + home(s, c->hash)), 1);
    if (++x->batched == BATCH)
        flush(x);
}

/* A step has led to another state, in a walk back. */
static void reach(run *x)
{
    space *s = x->space;
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
        if (wanted && !holds(x, refusals[n], &x->base, &x->now))
            breach(x, rule);
    }
}

/* A run that wrote something, or was refused, came to its end. */
static void has_effect(run *x, int result)
{
    if (x->calls >= x->fault) {
        if (FAILURES && result && (x->mode == EXPLORE || x->mode == FIND_BREACH))
            judge_refusal(x);
        if (x->written && x->mode == EXPLORE)
            await(x);
        else if (x->written && memcmp(&x->now, &x->base, sizeof x->now))
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

/* Take every step from a state; of a teardown those of its actions, until one leads down. */
static void expand(run *x, uint64_t number)
{
    load(x->space, number, &x->kept);
    x->hash = hash_of(&x->kept);
    unpack(&x->kept, &x->base);
    x->now = x->base;
    x->refused = 0;
    x->faults = 0;
    for (int action = 0; action < ACTIONS; action++)
        if (x->mode != TEAR_DOWN || (tears_down[action] && !x->best)) {
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
        load(s, place, &x->kept);
        unpack(&x->kept, &x->base);
        if (!holds(x, rules[x->rule], &x->base, &x->base))
            x->best = 0;
    } else {
        expand(x, place);
    }
    if (x->mode != TEAR_DOWN) {
        s->cost[place] = (uint8_t)x->best;
    } else if (x->best) {
        atomic_store_explicit(&s->leads_down[place], 1, memory_order_relaxed);
        *work->changed = 1;
    }
}

static void *share_of(void *given)
{
    share *work = given;
    space *s = work->space;
    run *x = work->own;
    enum { BLOCK = 16 };
    while (!x->failed && !s->halted && (work->until == 0 || now() < work->until)) {
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

/* Let so many threads share the states from the cursor to `to`; what kept them from it, or 0. */
static int together(share *model, int threads)
{
    space *s = model->space;
    pthread_t thread[MOST_THREADS];
    share work[MOST_THREADS];
    int started = 0, failed = 0;
    if (model->to - s->cursor < 64 || threads < 1)
        threads = 1;
    if (threads > MOST_THREADS)
        threads = MOST_THREADS;
    for (int i = 0; i < threads; i++) {
        work[i] = *model;
        work[i].own = i ? malloc(sizeof(run)) : s->first;
        if (!work[i].own) {
            threads = i;
            break;
        }
        reset(work[i].own, s, model->mode);
        work[i].own->rule = model->rule;
        work[i].own->from = model->next_from;
        work[i].own->to = model->next_to;
        s->working[i] = work[i].own;
    }
    s->threads = threads;
    while (started + 1 < threads &&
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
        if (largest) {
            give_back(s, largest->spare);
            largest->spare = UINT64_MAX;
        }
    }
    s->threads = 1;
    for (int i = 1; i < threads; i++)
        free(work[i].own);
    if (failed == OUT_OF_MEMORY && s->scratch_is_full)
        failed = SCRATCH_IS_FULL;
    return s->halted ? HALTED : failed;
}
