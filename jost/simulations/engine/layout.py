"""Where things lie in the flat arrays that a chunk is played on; the words of all engine code.

A hand is one number below 64: a hard total, BUST, SOFT_0 + a soft total, PAIR + the rank of two
equal cards, or one of the ends below. A rank is 1 for an ace up to 10; rows of tables are powers
of two apart, so that a look-up is a shift and an addition.
"""

# So many shoes are played side by side, one round of each at a step. Part of the bits.
LANES = 256

BUST = 22
SOFT_0 = 21
PAIR = 42
BLACKJACK, SURRENDERED, SPLIT, SPLIT_LIVE, SPLIT_LOST = 53, 54, 55, 56, 57
STATES, CARD_ROW = 64, 16
# Doubled hands are as many again, DOUBLED further.
DOUBLES = 2 * STATES
ACE, TEN = 1, 10
# A move is the hand that it leaves, with these bits.
HAND_BITS, DOUBLED, DRAWS = 127, 64, 128
# Rows of a chart: the upcard, from 1 on; ace and ten over a dealer's blackjack.
ACE_BLACKJACK, TEN_BLACKJACK, ROWS = 11, 12, 13

# `cells`: bytes, first one of each for every lane, and lists of lanes that something is done to.
HAND, HOLE, ROW, DEALER, HITS, SPLITS, WORK, NEW = range(0, 8 * LANES, LANES)
# At a table: the spots of one lane.
SPOT_HAND = NEW + LANES
# Then the tables that the rules and the chart decide.
TABLES = SPOT_HAND + 8
NEXT = TABLES
OPENING = NEXT + DOUBLES * CARD_ROW
DEALT = OPENING + CARD_ROW * CARD_ROW
ROW_OF = DEALT + CARD_ROW * CARD_ROW
DEALER_DRAWS = ROW_OF + CARD_ROW * CARD_ROW
DEALER_CLASS = DEALER_DRAWS + STATES
ALIVE = DEALER_CLASS + STATES
SCORE = ALIVE + DOUBLES
CLASS = SCORE + STATES
BUCKET_OF = CLASS + 2 * STATES
SLOT_OF = BUCKET_OF + 128
INSURES = SLOT_OF + 128
# A slot has three tables: for the first two cards by ROWS and STATES; for more, by ROWS and DOUBLES,
# as a doubled hand draws no more; after a split. The first slot is the chart without index plays.
MAX_SLOTS = 130
FIRST = INSURES + MAX_SLOTS * ROWS
LATER = FIRST + ROWS * STATES
AFTER = LATER + ROWS * DOUBLES
SLOT_ROWS = AFTER + ROWS * STATES - FIRST
# True counts are held to -COUNT_LIMIT .. COUNT_LIMIT - 1 before they are looked up.
COUNT_LIMIT = 64

# `marks`: for every lane its next card, the place from which on a round is not begun without
# preparation, how far the shoe is shuffled, where the round began, rounds left in the shoe, the
# part of the joint counts that the round goes to, and how the hands of a split ended.
PLACE, LIMIT, READY, START, LEFT, PART, ENDS = range(0, 7 * LANES, LANES)
SPOT_ENDS = ENDS + LANES
# For each place in a shoe, what makes a true count of a running one: see `true_count`.
PLACES = 8 * 52 + 128
DIVIDE = SPOT_ENDS + 8
CARRY = DIVIDE + PLACES
# How hands and dealer ended, jointly: JOINT numbers for each true count.
COUNTS = CARRY + PLACES
JOINT, INSURED, CLASS_ROW = 512, 256, 8
BUCKETS = 41

# How a hand can end: 17 to 21 follow on CLASS_LOW; doubled hands are DOUBLED_CLASS further.
CLASS_BUST, CLASS_LOW, CLASS_BLACKJACK = 0, 1, 7
DOUBLED_CLASS = 8
CLASS_SURRENDERED, CLASS_SPLIT_LIVE, CLASS_SPLIT_LOST = 15, 16, 17
# The dealer with 17 to 21 is 0 to 4.
DEALER_BUST, DEALER_BLACKJACK, DEALER_IDLE = 5, 6, 7

# `book`: what the rules say about the shoe, the count and splits, then what is counted of splits
# and tables.
(
    KIND,
    CARDS,
    STRIDE,
    AHEAD,
    CLOSE,
    NEED,
    PER_SHOE,
    AGES,
    ENDLESS,
    COUNTED,
    INITIAL,
    MAX_HANDS,
    RESPLIT_ACES,
    HIT_SPLIT_ACES,
    SEATS,
    OTHERS,
    SLOTTED,
) = range(17)
TAGS = 17
# The payoff of each joint count, in tenths of the bet.
PAYS = TAGS + CARD_ROW
SPLIT_CELLS = PAYS + JOINT
CELLS = 36
SQUARES = SPLIT_CELLS + BUCKETS * CELLS
DEALER_ENDS = SQUARES + BUCKETS
SPLITS_MADE = DEALER_ENDS + 8
SPLIT_DOUBLES, SPLIT_BUSTS = SPLITS_MADE + 1, SPLITS_MADE + 2
BOOK = SPLITS_MADE + 3
# Everything from here on begins at zero.
LEDGER = SPLIT_CELLS

# Kinds of games: what one step has to do.
FLAT, COUNTING, INDEXED, TABLE = range(4)
# In half bets, as are all payoffs here.
BET = 2
EVEN_CELL = 17
# Places behind the shoe for discards that are dealt again in the round that used it up.
SPARE = 64
# Cards shuffled at a time when more are needed than were shuffled at first.
MORE = 8
