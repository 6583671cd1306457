/* One state set divided among several processes, by a hash of the representatives. Each has a space
 * of its own with the states that are its own. What it finds of the others' goes to an outbox, with
 * the columns that the step has written, since whoever takes it in has to judge it: the state before
 * was judged by its owner, so what was not written holds there too, or is known to be broken.
 *
 * A part remembers some states that it has sent, in full, so as not to send them over and over.
 * Whoever carries letters must lose none: their number and the sum of their hashes go with them.
 */

enum { RECENT = 1 << 15, LETTER_BYTES = STATE_BYTES + 8, PORTION = 2048 };

typedef struct {
    uint8_t *letters;
    uint64_t count, room, sum;
} outbox;

/* What another part asks: whether own states lead down, and under which numbers it wants to know. */
typedef struct {
    uint64_t *own, *theirs, count;
} questions;

typedef struct division {
    int own, parts;
    pthread_mutex_t lock;
    uint64_t waiting;               /* bytes in all outboxes */
    uint8_t *is_recent;
    packed *recent;
    outbox *to;
    questions *asked;               /* by each part */
    struct space *others;           /* states of other parts that are asked about */
    int is_asking;
} division;

/* Whose a state is. All bits of the hash count, for the index goes by the highest ones. */
static inline int part_of(const division *d, uint64_t hash)
{
    uint64_t mixed = (hash ^ (hash >> 32)) * 0xD6E8FEB86659FD93u;
    return (int)((mixed >> 32) * (uint64_t)d->parts >> 32);
}

/* Write to an owner; false if there is no memory. */
static int post(division *d, int to, const candidate *c)
{
    uint64_t place = c->hash % RECENT;
    if (d->is_recent[place] && !memcmp(&d->recent[place], &c->at, sizeof c->at))
        return 1;
    outbox *box = &d->to[to];
    if (box->count == box->room) {
        uint64_t room = box->room ? box->room * 2 : 1024;
        uint8_t *moved = realloc(box->letters, room * LETTER_BYTES);
        if (!moved)
            return 0;
        box->letters = moved;
        box->room = room;
    }
    uint8_t *letter = box->letters + box->count++ * LETTER_BYTES;
    memcpy(letter, &c->at, STATE_BYTES);
    memcpy(letter + STATE_BYTES, &c->written, 8);
    box->sum += c->hash;
    d->waiting += LETTER_BYTES;
    d->recent[place] = c->at;
    d->is_recent[place] = 1;
    return 1;
}

/* Of the states that wait, those of others go to the outboxes; false if there is no memory. */
static int hand_out(run *x)
{
    division *d = x->space->division;
    int own = 0, done = 1;
    pthread_mutex_lock(&d->lock);
    for (int i = 0; i < x->batched; i++) {
        int to = part_of(d, x->batch[i].hash);
        if (to == d->own)
            x->batch[own++] = x->batch[i];
        else
            done = done && post(d, to, &x->batch[i]);
    }
    pthread_mutex_unlock(&d->lock);
    x->batched = own;
    return done;
}

/* No longer one of several. */
EXPORT void part_close(space *s)
{
    division *d = s->division;
    if (!d)
        return;
    for (int i = 0; d->to && i < d->parts; i++)
        free(d->to[i].letters);
    for (int i = 0; d->asked && i < d->parts; i++) {
        free(d->asked[i].own);
        free(d->asked[i].theirs);
    }
    if (d->others)
        space_close(d->others);
    free(d->asked);
    free(d->to);
    free(d->recent);
    free(d->is_recent);
    free(d);
    s->division = NULL;
}

/* This space is number `own` of so many; false if there is no memory. */
EXPORT int part_open(space *s, int own, int parts)
{
    division *d = s->division = calloc(1, sizeof *d);
    if (!d)
        return 0;
    d->own = own;
    d->parts = parts;
    pthread_mutex_init(&d->lock, NULL);
    d->is_recent = calloc(RECENT, 1);
    d->recent = malloc(RECENT * sizeof *d->recent);
    d->to = calloc((size_t)parts, sizeof *d->to);
    d->asked = calloc((size_t)parts, sizeof *d->asked);
    if (d->is_recent && d->recent && d->to && d->asked)
        return 1;
    part_close(s);
    return 0;
}

/* Whose a state is that is given by its flat bytes. */
EXPORT int part_owner(space *s, const uint8_t *cells)
{
    packed own;
    representative_of(cells, &own);
    return part_of(s->division, hash_of(&own));
}

EXPORT uint64_t part_letter_bytes(void)
{
    return LETTER_BYTES;
}

/* Expand the level for so many seconds, or until so many bytes wait to be sent: 1 when it is done,
 * 0 when not, below 0 what failed. */
EXPORT int part_expand(space *s, int threads, double seconds, uint64_t most)
{
    uint64_t end = s->starts[s->levels];
    double until = now() + seconds;
    while (s->cursor < end && s->division->waiting < most && now() < until) {
        uint64_t left = end - s->cursor;
        share work = {.space = s, .mode = EXPLORE, .to = s->cursor + (left < PORTION ? left : PORTION)};
        int failed = together(&work, threads > MOST_THREADS ? MOST_THREADS : threads);
        if (failed)
            return -failed;
        s->cursor = work.to;
    }
    return s->cursor >= end;
}

/* The letters to a part, their number and the sum of their hashes. */
EXPORT const uint8_t *part_letters(space *s, int to, uint64_t *count, uint64_t *sum)
{
    outbox *box = &s->division->to[to];
    *count = box->count;
    *sum = box->sum;
    return box->letters;
}

/* All letters were taken. */
EXPORT void part_sent(space *s)
{
    division *d = s->division;
    for (int i = 0; i < d->parts; i++)
        d->to[i].count = d->to[i].sum = 0;
    d->waiting = 0;
}

/* Take letters in: how many states were new, below 0 what failed. */
EXPORT int64_t part_receive(space *s, const uint8_t *letters, uint64_t count, uint64_t sum)
{
    run *x = s->first;
    uint64_t before = s->count;
    reset(x, s, EXPLORE);
    for (uint64_t i = 0; i < count && !x->failed; i++) {
        const uint8_t *letter = letters + i * LETTER_BYTES;
        candidate *c = &x->batch[x->batched++];
        c->at.w[STATE_WORDS - 1] = 0;
        memcpy(&c->at, letter, STATE_BYTES);
        memcpy(&c->written, letter + STATE_BYTES, 8);
        c->hash = hash_of(&c->at);
        sum -= c->hash;
        if (part_of(s->division, c->hash) != s->division->own)
            return -NOT_OWN;
        if (x->batched == BATCH)
            flush(x);
    }
    flush(x);
    if (x->failed)
        return -x->failed;
    if (x->spare != UINT64_MAX)
        give_back(s, x->spare);
    x->spare = UINT64_MAX;
    return sum ? -CHANGED : (int64_t)(s->count - before);
}

/* What can be taken down, where steps of a teardown lead to states of other parts. Each part asks
 * the owners about all of these once, under numbers of its own, and is then told, round by round,
 * which of them lead down. A state from which no such step has been found when nobody has anything
 * to tell any more cannot be taken down. */

/* Add a state of another part to those asked about; false if there is no memory. */
static int ask(division *d, const packed *found, uint64_t hash)
{
    int done = 1;
    pthread_mutex_lock(&d->lock);
    if (is_crowded(d->others))
        done = grow(d->others);
    done = done && keep(d->others->first, found, hash) >= 0;
    pthread_mutex_unlock(&d->lock);
    return done;
}

/* Whether the state that a step has led to is known to lead down. */
static int leads_down_anywhere(run *x)
{
    space *s = x->space;
    division *d = s->division;
    packed found;
    representative(&x->now, &found);
    uint64_t hash = hash_of(&found), at;
    if (part_of(d, hash) == d->own) {
        int64_t number = look_up(s, &found, hash, &at);
        return number >= 0 && s->leads_down[number];
    }
    if (d->is_asking) {
        if (!ask(d, &found, hash))
            x->failed = OUT_OF_MEMORY;
        return 0;
    }
    int64_t number = look_up(d->others, &found, hash, &at);
    return number >= 0 && d->others->leads_down[number];
}

/* Look once at all own states that are not known to lead down: 1 if some do, below 0 what failed. */
static int look_down(space *s, int threads)
{
    _Atomic int changed = 0;
    share work = {.space = s, .mode = TEAR_DOWN, .to = s->count, .changed = &changed};
    s->cursor = 0;
    int failed = together(&work, threads > MOST_THREADS ? MOST_THREADS : threads);
    return failed ? -failed : changed;
}

/* Begin: the outboxes then have what is asked of others, each state with the number to answer. */
EXPORT int part_ask(space *s, int threads)
{
    division *d = s->division;
    uint64_t left = s->limit > s->used ? s->limit - s->used : 1;
    s->leads_down = malloc(s->count + 1);
    d->others = space_open(s->limit ? left : 0, -1);
    if (!s->leads_down || !d->others)
        return -OUT_OF_MEMORY;
    run *x = s->first;
    reset(x, s, TEAR_DOWN);
    for (uint64_t number = 0; number < s->count; number++) {
        load(s, number, &x->kept);
        unpack(&x->kept, &x->base);
        s->leads_down[number] = (uint8_t)holds(x, (rule_text){empty, 0}, &x->base, &x->base);
    }
    d->is_asking = 1;
    int found = look_down(s, threads);
    d->is_asking = 0;
    if (found < 0)
        return found;
    space *others = d->others;
    if (others->first->spare != UINT64_MAX)
        give_back(others, others->first->spare);
    others->first->spare = UINT64_MAX;
    others->leads_down = calloc(others->count + 1, 1);
    if (!others->leads_down)
        return -OUT_OF_MEMORY;
    memset(d->is_recent, 0, RECENT);
    for (uint64_t number = 0; number < others->count; number++) {
        candidate c = {.written = number};
        load(others, number, &c.at);
        c.hash = hash_of(&c.at);
        if (!post(d, part_of(d, c.hash), &c))
            return -OUT_OF_MEMORY;
    }
    return 1;
}

/* Take in what another part asks: 1, below 0 what failed. */
EXPORT int part_asked(space *s, int from, const uint8_t *letters, uint64_t count)
{
    questions *q = &s->division->asked[from];
    q->own = malloc((count + 1) * sizeof *q->own);
    q->theirs = malloc((count + 1) * sizeof *q->theirs);
    if (!q->own || !q->theirs)
        return -OUT_OF_MEMORY;
    for (uint64_t i = 0; i < count; i++) {
        packed wanted;
        uint64_t at;
        wanted.w[STATE_WORDS - 1] = 0;
        memcpy(&wanted, letters + i * LETTER_BYTES, STATE_BYTES);
        memcpy(&q->theirs[i], letters + i * LETTER_BYTES + STATE_BYTES, 8);
        int64_t number = look_up(s, &wanted, hash_of(&wanted), &at);
        if (number < 0)
            return -NOT_OWN;
        q->own[i] = (uint64_t)number;
    }
    q->count = count;
    return 1;
}

/* Other parts say that these states lead down. */
EXPORT void part_told(space *s, const uint64_t *numbers, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (numbers[i] < s->division->others->count)
            s->division->others->leads_down[numbers[i]] = 1;
}

/* Find all that leads down, as far as is known here: 1, below 0 what failed. */
EXPORT int part_look_down(space *s, int threads)
{
    int changed = 1;
    while (changed > 0)
        changed = look_down(s, threads);
    return changed < 0 ? changed : 1;
}

/* What another part has asked, leads down, and was not told yet; how many these are. */
EXPORT uint64_t part_tell(space *s, int to, uint64_t *numbers)
{
    questions *q = &s->division->asked[to];
    uint64_t told = 0, left = 0;
    for (uint64_t i = 0; i < q->count; i++) {
        if (s->leads_down[q->own[i]]) {
            numbers[told++] = q->theirs[i];
        } else {
            q->own[left] = q->own[i];
            q->theirs[left++] = q->theirs[i];
        }
    }
    q->count = left;
    return told;
}

EXPORT uint64_t part_questions(space *s, int from)
{
    return s->division->asked[from].count;
}

/* The number of the first own state that does not lead down, or -1. */
EXPORT int64_t part_stuck(space *s)
{
    for (uint64_t number = 0; number < s->count; number++)
        if (!s->leads_down[number])
            return (int64_t)number;
    return -1;
}

/* As `space_lead_back`, to one state of a level. */
EXPORT int space_lead_to(space *s, const uint8_t *cells, int level, int threads)
{
    int64_t number = space_find(s, cells);
    if (!s->cost && !(s->cost = malloc(s->count + 1)))
        return 0;
    memset(s->cost, FAR, s->count);
    if (number >= 0)
        s->cost[number] = 0;
    for (int at = level - 1; at >= 0; at--) {
        share work = {.space = s, .mode = LEAD_BACK, .to = s->starts[at + 1],
                      .next_from = s->starts[at + 1], .next_to = s->starts[at + 2]};
        s->cursor = s->starts[at];
        if (together(&work, threads > MOST_THREADS ? MOST_THREADS : threads))
            return 0;
    }
    return 1;
}
