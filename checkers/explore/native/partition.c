/* One state set divided among several processes, by a hash of the representatives. Each has a space
 * of its own with the states that are its own. What it finds of the others' goes to an outbox, with
 * the columns that the step has written, since whoever takes it in has to judge it: the state before
 * was judged by its owner, so what was not written holds there too, or is known to be broken.
 *
 * A part remembers some states that it has sent, in full, so as not to send them over and over.
 * Whoever carries letters must lose none: their number and the sum of their hashes go with them.
 */

enum { RECENT = 1 << 15, LETTER_BYTES = STATE_BYTES + 8, PORTION = 2048, NOT_OWN = 3, CHANGED = 4 };

typedef struct {
    uint8_t *letters;
    uint64_t count, room, sum;
} outbox;

typedef struct division {
    int own, parts;
    pthread_mutex_t lock;
    uint64_t waiting;               /* bytes in all outboxes */
    uint8_t *is_recent;
    state *recent;
    outbox *to;
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
    if (d->is_recent && d->recent && d->to)
        return 1;
    part_close(s);
    return 0;
}

/* Whose a state is that is given by its flat bytes. */
EXPORT int part_owner(space *s, const uint8_t *cells)
{
    state own;
    memset(&own, 0, sizeof own);
    pack(cells, &own);
    canonical(&own, ~UINT64_C(0));
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
