/* One representative of all states that differ only in which row, or which data value, is which.
 *
 * A state is read as a coloured graph: its vertices are the rows that may be renamed and the data
 * values, its edges the fields that name them. Colours are refined by the colours of neighbours until
 * nothing more is told apart (Weisfeiler and Leman). Where vertices of one colour are left that are
 * not plainly alike, each of them is told apart in turn and the least of the states that come out is
 * taken (McKay's search tree); one that leads to the same state as another before it, with all that
 * was told apart at the same places, is its image under an automorphism that leaves the others where
 * they are, and need not be searched. So the result is exact whatever the graph is, and
 * for forests, which objects mostly are, no branch is ever searched to its end twice.
 *
 * Colours are hashes. Two vertices that get one colour by accident are told apart like any others.
 */

typedef struct {
    uint8_t cells[FLAT_BYTES];       /* the state as it came */
    uint64_t colour[VERTICES];
    uint8_t in_degree[VERTICES];
    int told, path[VERTICES];        /* the vertices that were told apart, in this order */
} picture;

static inline uint64_t mixed(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xD6E8FEB86659FD93u);
    uint64_t folded = (uint64_t)product ^ (uint64_t)(product >> 64);
    return folded ^ (folded >> 29);
}

/* The vertex that a cell of this column names with this value; -1 if none. */
static inline int named(const column *c, int value)
{
    return value ? c->first + value - 1 : -1;
}

/* The vertex whose row a cell is of; -1 if its row is not renamed. */
static inline int owner(const column *c, int place)
{
    return c->own < 0 ? -1 : c->own + place;
}

/* Call `visit` for each edge: from the vertex of a row (or -1) to what a cell of it names. */
#define EACH_EDGE(cells_, FROM, TO, LABEL, ...)                                                      \
    for (int n_ = 0; n_ < REFERENCES; n_++) {                                                        \
        const column *c_ = &columns[references[n_]];                                                 \
        for (int place_ = 0; place_ < c_->rows; place_++) {                                          \
            const uint8_t *cell_ = (cells_) + c_->base + place_ * c_->width;                         \
            int FROM = owner(c_, place_);                                                            \
            uint64_t LABEL = (uint64_t)(FROM < 0 ? c_->base + place_ + 4096 : references[n_]) + 1;   \
            if (c_->kind == SET) {                                                                   \
                for (int item_ = 1; item_ <= c_->width * 8; item_++)                                 \
                    if (set_has(cell_, item_)) {                                                     \
                        int TO = named(c_, item_);                                                   \
                        __VA_ARGS__                                                                  \
                    }                                                                                \
            } else if (*cell_) {                                                                     \
                int TO = named(c_, *cell_);                                                          \
                __VA_ARGS__                                                                          \
            }                                                                                        \
        }                                                                                            \
    }

/* The first colours: what each row holds besides names, and which rows it may change places with. */
static void colour_first(picture *p)
{
    for (int v = 0; v < VERTICES; v++)
        p->colour[v] = mixed((uint64_t)class_of[v] + 1, 77);
    for (int n = 0; n < COLUMNS; n++) {
        const column *c = &columns[n];
        if (c->kind != PLAIN || c->own < 0)
            continue;
        for (int place = 0; place < c->rows; place++)
            for (int byte = 0; byte < c->width; byte++) {
                uint64_t value = p->cells[c->base + place * c->width + byte];
                if (value)
                    p->colour[c->own + place] += mixed(value, (uint64_t)(n * 8 + byte) + 1000);
            }
    }
    memset(p->in_degree, 0, sizeof p->in_degree);
    EACH_EDGE(p->cells, from, to, label, (void)from; (void)label; p->in_degree[to] = 1;)
}

/* How many colours there are: sorts a copy. */
static int colours_of(const picture *p)
{
    uint64_t sorted[VERTICES];
    int count = 0;
    for (int v = 0; v < VERTICES; v++) {
        uint64_t own = p->colour[v];
        int at = count;
        while (at > 0 && sorted[at - 1] > own)
            at--;
        if (at > 0 && sorted[at - 1] == own)
            continue;
        memmove(sorted + at + 1, sorted + at, (size_t)(count - at) * sizeof *sorted);
        sorted[at] = own;
        count++;
    }
    return count;
}

/* Colours by the colours of neighbours, until none is told apart any more. */
static void refine(picture *p)
{
    int known = colours_of(p);
    for (;;) {
        uint64_t next[VERTICES];
        for (int v = 0; v < VERTICES; v++)
            next[v] = mixed(p->colour[v], 5);
        EACH_EDGE(p->cells, from, to, label, {
            if (from >= 0) {
                next[from] += mixed(p->colour[to], label);
                next[to] += mixed(p->colour[from], label + 100000);
            } else {
                next[to] += mixed(label, 200000);
            }
        })
        memcpy(p->colour, next, sizeof next);
        int now = colours_of(p);
        if (now == known)
            return;
        known = now;
    }
}

/* Whether two rows of a table hold the same. */
static int rows_equal(const uint8_t *cells, int a, int b)
{
    for (int n = 0; n < COLUMNS; n++) {
        const column *c = &columns[n];
        if (c->own < 0 || a < c->own || a >= c->own + c->rows)
            continue;
        const uint8_t *own = cells + c->base;
        if (memcmp(own + (a - c->own) * c->width, own + (b - c->own) * c->width, (size_t)c->width))
            return 0;
    }
    return 1;
}

/* Whether nothing names either of two rows (or values) and they hold the same. */
static int plainly_alike(const picture *p, int a, int b)
{
    return !p->in_degree[a] && !p->in_degree[b] && rows_equal(p->cells, a, b);
}

/* The vertices of the least colour that several have which are not plainly alike; their number. */
static int first_tie(const picture *p, int *members)
{
    int best = -1;
    for (int v = 0; v < VERTICES; v++) {
        if (best >= 0 && p->colour[v] >= p->colour[best])
            continue;
        for (int w = v + 1; w < VERTICES; w++)
            if (p->colour[w] == p->colour[v] && !plainly_alike(p, v, w)) {
                best = v;
                break;
            }
    }
    int count = 0;
    for (int v = 0; best >= 0 && v < VERTICES; v++)
        if (p->colour[v] == p->colour[best])
            members[count++] = v;
    return count;
}

/* The new place of each vertex: of each class the rows in the order of their colours. */
static void places(const picture *p, int *place)
{
    for (int v = 0; v < VERTICES; v++) {
        int slot = first_slot[v];
        for (int i = first_slot[v]; i < last_slot[v]; i++) {
            int w = slots[i];
            slot += p->colour[w] < p->colour[v] || (p->colour[w] == p->colour[v] && w < v);
        }
        place[v] = slots[slot];
    }
}

/* The state with its vertices at their new places. */
static void renamed(const picture *p, uint8_t *cells, int *place)
{
    places(p, place);
    for (int n = 0; n < COLUMNS; n++) {
        const column *c = &columns[n];
        for (int at = 0; at < c->rows; at++) {
            int to = c->own < 0 ? at : place[c->own + at] - c->own;
            const uint8_t *old = p->cells + c->base + at * c->width;
            uint8_t *new = cells + c->base + to * c->width;
            if (c->kind == PLAIN && c->width == 1) {
                *new = *old;
            } else if (c->kind == PLAIN) {
                memcpy(new, old, (size_t)c->width);
            } else if (c->kind == SET) {
                memset(new, 0, (size_t)c->width);
                for (int item = 1; item <= c->width * 8; item++)
                    if (set_has(old, item))
                        set_put(new, place[named(c, item)] - c->first + 1, 1);
            } else {
                *new = *old ? (uint8_t)(place[named(c, *old)] - c->first + 1) : 0;
            }
        }
    }
}

static void tell_apart(picture *p, int v)
{
    p->colour[v] = mixed(p->colour[v], 31337);
    refine(p);
}

/* Some state that the search comes to from here: the first of each tie is taken. `where` are the new
 * places of what had been told apart before. */
static void greedy(const picture *from, uint8_t *cells, uint16_t *where)
{
    int place[VERTICES];
    picture p = *from;
    int members[VERTICES];
    while (first_tie(&p, members))
        tell_apart(&p, members[0]);
    renamed(&p, cells, place);
    for (int i = 0; i < from->told; i++)
        where[i] = (uint16_t)place[from->path[i]];
}

/* A tie of the search, which tells one after the other of its members apart; what it has come to from
 * those before. On the heap, for there may be as many ties at a time as vertices. */
typedef struct tie {
    struct tie *above;
    picture at;
    int count, next, kept, members[VERTICES];
    uint8_t seen[VERTICES][FLAT_BYTES];
    uint16_t where[VERTICES][VERTICES];
} tie;

static tie *new_tie(const picture *at, tie *above)
{
    tie *t = malloc(sizeof *t);
    if (!t)
        abort();
    t->above = above;
    t->at = *at;
    t->count = t->next = t->kept = 0;
    return t;
}

/* Whether a branch is the image of an earlier one of the tie. */
static int is_image(tie *t, const picture *branch)
{
    uint8_t *cells = t->seen[t->kept];
    uint16_t *where = t->where[t->kept];
    greedy(branch, cells, where);
    for (int i = 0; i < t->kept; i++)
        if (!memcmp(t->seen[i], cells, FLAT_BYTES) &&
                !memcmp(t->where[i], where, (size_t)branch->told * sizeof *where))
            return 1;
    t->kept++;
    return 0;
}

/* The least state of all that the search comes to. */
static void search_least(const picture *from, uint8_t *least)
{
    uint8_t cells[FLAT_BYTES];
    int place[VERTICES], found = 0;
    tie *t = new_tie(from, NULL);
    t->count = first_tie(&t->at, t->members);
    while (t) {
        if (t->next < t->count) {
            int member = t->members[t->next++];
            tie *below = new_tie(&t->at, t);
            tell_apart(&below->at, member);
            below->at.path[below->at.told++] = member;
            below->count = first_tie(&below->at, below->members);
            if (!is_image(t, &below->at))
                t = below;
            else
                free(below);
            continue;
        }
        if (!t->count) {
            renamed(&t->at, cells, place);
            if (!found++ || memcmp(cells, least, FLAT_BYTES) < 0)
                memcpy(least, cells, FLAT_BYTES);
        }
        tie *done = t;
        t = t->above;
        free(done);
    }
}

/* Take a state for the representative of all that are like it. */
static void represent(state *s)
{
    picture p;
    uint8_t least[FLAT_BYTES];
    int members[VERTICES], place[VERTICES];
    p.told = 0;
    memcpy(p.cells, s, FLAT_BYTES);
    colour_first(&p);
    refine(&p);
    if (first_tie(&p, members))
        search_least(&p, least);
    else
        renamed(&p, least, place);
    memcpy(s, least, FLAT_BYTES);
}

