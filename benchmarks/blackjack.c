/* A plain C loop that plays the same four stages as JOST's engine, as a measure of the machine:
   6 decks, S17, DAS, up to 4 hands, cut card at 75 %. Card after card, one round after the other.

   blackjack STAGE ROUNDS SEED prints seconds and the mean payoff of a round. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FLAT, COUNT, INDICES, EVERYTHING };
enum { CARDS = 312, CUT = 234, BUST = 22, SOFT = 32, BLACKJACK = SOFT + 21 };
enum { STAND, HIT, DOUBLE, SPLIT, SURRENDER };

static uint8_t shoe[CARDS], after[64][11];
/* By true count + 20, upcard, hand: the first move, that after a split, whether to hit later. */
static uint8_t first[41][11][64], second[41][11][64], later[41][11][64], splits[41][11][11];
static int64_t halves[41], squares[41], rounds_at[41];
static uint64_t state[4];
static int place, ready, running, stage;
static const int tags[11] = {0, -1, 1, 1, 1, 1, 1, 0, 0, 0, -1};

static inline uint64_t rotated(uint64_t x, int by) { return x << by | x >> (64 - by); }

static inline uint64_t next_word(void) {
    uint64_t word = rotated(state[0] + state[3], 23) + state[0], shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotated(state[3], 45);
    return word;
}

/* Fisher-Yates, a few cards ahead of those that are dealt. */
static void shuffle_to(int last) {
    while (ready < last && ready < CARDS) {
        uint64_t word = next_word();
        for (int half = 0; half < 2 && ready < CARDS; half++, word >>= 32) {
            uint32_t span = CARDS - ready;
            uint64_t product = (word & 0xffffffff) * span;
            if ((uint32_t)product < span && (uint32_t)product < -span % span) continue;
            int drawn = ready + (int)(product >> 32);
            uint8_t card = shoe[drawn];
            shoe[drawn] = shoe[ready];
            shoe[ready++] = card;
        }
    }
}

static inline int draw(void) {
    if (place >= ready) shuffle_to(place + 16);
    int card = shoe[place++];
    if (stage >= COUNT) running += tags[card];
    return card;
}

static inline int true_count(int count, int seen) {
    int unseen = CARDS - seen, tenths = count * 52;
    int whole = tenths >= 0 ? tenths / unseen : -((unseen - 1 - tenths) / unseen);
    return whole < -20 ? -20 : whole > 20 ? 20 : whole;
}

/* The count that decides now, when all but the hole card has been seen. */
static inline int slot(int hole) {
    return stage < INDICES ? 20 : 20 + true_count(running - tags[hole], place - 1);
}

static inline int score(int hand) { return hand == BUST ? 0 : hand & 31; }

static inline int finish(int hand, int move, int up, int hole, int *stake) {
    if (move == DOUBLE) {
        *stake = 4;
        return after[hand][draw()];
    }
    while (move == HIT) {
        hand = after[hand][draw()];
        move = later[slot(hole)][up][hand];
    }
    return hand;
}

static inline int play_dealer(int hand) {
    while (hand < 17 || (hand >= SOFT && hand < SOFT + 17)) hand = after[hand][draw()];
    return score(hand);
}

static int play_split(int rank, int up, int hole, int dealer) {
    int hands = 2, live = 0, net = 0, scores[4], stakes[4];
    for (int played = 0; played < hands; played++) {
        int card = draw(), stake = 2;
        while (card == rank && rank != 1 && hands < 4 && splits[slot(hole)][up][rank]) {
            hands++;
            card = draw();
        }
        int hand = after[after[0][rank]][card];
        if (rank != 1) hand = finish(hand, second[slot(hole)][up][hand], up, hole, &stake);
        if (hand == BUST) net -= stake;
        else scores[live] = score(hand), stakes[live++] = stake;
    }
    if (!live) return net;
    int against = play_dealer(dealer);
    for (int at = 0; at < live; at++)
        net += scores[at] > against ? stakes[at] : scores[at] < against ? -stakes[at] : 0;
    return net;
}

static int play_round(void) {
    int one = draw(), up = draw(), two = draw(), hole = draw(), insurance = 0, stake = 2;
    int hand = after[after[0][one]][two], dealer = after[after[0][up]][hole];
    int at = slot(hole);
    if (stage >= INDICES && up == 1 && at >= 23) insurance = dealer == BLACKJACK ? 2 : -1;
    if (hand == BLACKJACK) return insurance + (dealer == BLACKJACK ? 0 : 3);
    if (dealer == BLACKJACK) return insurance - 2;
    if (one == two && splits[at][up][one]) return insurance + play_split(one, up, hole, dealer);
    int move = first[at][up][hand];
    if (move == SURRENDER) return insurance - 1;
    hand = finish(hand, move, up, hole, &stake);
    if (hand == BUST) return insurance - stake;
    int against = play_dealer(dealer), own = score(hand);
    return insurance + (own > against ? stake : own < against ? -stake : 0);
}

/* The familiar chart, dealer 2 to 10 and ace: hard 5 to 17, soft 13 to 20, pairs. */
static const char *hard[] = {
    "HHHHHHHHHH", "HHHHHHHHHH", "HHHHHHHHHH", "HHHHHHHHHH", "HDDDDHHHHH", "DDDDDDDDHH",
    "DDDDDDDDDH", "HHSSSHHHHH", "SSSSSHHHHH", "SSSSSHHHHH", "SSSSSHHHHH", "SSSSSHHHHH",
    "SSSSSSSSSS"};
static const char *soft[] = {"HHHDDHHHHH", "HHHDDHHHHH", "HHDDDHHHHH", "HHDDDHHHHH",
                             "HDDDDHHHHH", "SddddSSHHH", "SSSSSSSSSS", "SSSSSSSSSS"};
static const char *pairs[] = {"PPPPPPPPPP", "PPPPPPHHHH", "PPPPPPHHHH", "HHHPPHHHHH", "HHHHHHHHHH",
                              "PPPPPHHHHH", "PPPPPPHHHH", "PPPPPPPPPP", "PPPPPHPPHH", "HHHHHHHHHH"};

static void set(int count, int up, int hand, char code) {
    int doubles = code == 'D' || code == 'd';
    later[count][up][hand] = code == 'H' || code == 'D' ? HIT : STAND;
    first[count][up][hand] = second[count][up][hand] = doubles ? DOUBLE : later[count][up][hand];
}

static void set_chart(int count) {
    for (int up = 1; up <= 10; up++) {
        int column = up == 1 ? 9 : up - 2;
        for (int total = 4; total <= 21; total++)
            set(count, up, total, total > 17 ? 'S' : hard[total < 5 ? 0 : total - 5][column]);
        for (int total = 12; total <= 21; total++)
            set(count, up, SOFT + total,
                total == 21 ? 'S' : total == 12 ? 'H' : soft[total - 13][column]);
        for (int rank = 1; rank <= 10; rank++)
            splits[count][up][rank] = pairs[rank - 1][column] == 'P';
    }
}

static void set_indices(int count) {
    static const struct { int hand, up, index; char code; } from[] = {
        {16, 10, 0, 'S'}, {15, 10, 4, 'S'}, {10, 10, 4, 'D'}, {12, 3, 2, 'S'}, {12, 2, 3, 'S'},
        {11, 1, 1, 'D'},  {9, 2, 1, 'D'},   {10, 1, 4, 'D'},  {9, 7, 3, 'D'},  {16, 9, 5, 'S'}};
    static const struct { int hand, up, index; } below[] = {
        {13, 2, -1}, {12, 4, 0}, {12, 5, -2}, {12, 6, -1}, {13, 3, -2}};
    static const struct { int hand, up, index; } fab[] = {
        {14, 10, 3}, {15, 10, 0}, {15, 9, 2}, {15, 1, 1}, {16, 9, -20}, {16, 10, -20}, {16, 1, -20}};
    for (int at = 0; at < 10; at++)
        if (count >= from[at].index) set(count + 20, from[at].up, from[at].hand, from[at].code);
    for (int at = 0; at < 5; at++)
        if (count < below[at].index) set(count + 20, below[at].up, below[at].hand, 'H');
    splits[count + 20][5][10] = count >= 5;
    splits[count + 20][6][10] = count >= 4;
    for (int at = 0; at < 7 && stage == EVERYTHING; at++)
        if (count >= fab[at].index) first[count + 20][fab[at].up][fab[at].hand] = SURRENDER;
}

static void set_tables(void) {
    for (int card = 1; card <= 10; card++) {
        for (int total = 0; total < 22; total++) {
            int sum = total + card, ace = card == 1 && total + 11 <= 21;
            after[total][card] = ace ? SOFT + total + 11 : sum > 21 ? BUST : sum;
            after[SOFT + total][card] = sum > 21 ? sum - 10 : SOFT + sum;
        }
        after[BUST][card] = BUST;
    }
    for (int count = -20; count <= 20; count++) {
        set_chart(count + 20);
        if (stage >= INDICES) set_indices(count);
    }
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    stage = atoi(argv[1]);
    int64_t rounds = (int64_t)atof(argv[2]), sum = 0;
    for (int at = 0; at < 4; at++) state[at] = (uint64_t)atoll(argv[3]) * 0x9e3779b97f4a7c15 + at;
    for (int at = 0; at < CARDS; at++) shoe[at] = at % 13 < 9 ? at % 13 + 1 : 10;
    set_tables();
    struct timespec begun, ended;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begun);
    place = CUT;
    for (int64_t round = 0; round < rounds; round++) {
        if (place >= CUT) {
            place = ready = running = 0;
            shuffle_to(CUT + 10);
        }
        int bucket = stage >= COUNT ? 20 + true_count(running, place) : 20;
        int payoff = play_round();
        rounds_at[bucket]++;
        halves[bucket] += payoff;
        squares[bucket] += payoff * payoff;
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
    for (int at = 0; at < 41; at++) sum += halves[at];
    double seconds = ended.tv_sec - begun.tv_sec + (ended.tv_nsec - begun.tv_nsec) / 1e9;
    printf("%.6f %.8f\n", seconds, sum / 2.0 / rounds);
    return 0;
}
