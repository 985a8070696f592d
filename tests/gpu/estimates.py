#!/usr/bin/env python3
"""Estimates what each operation of a decoding step takes: Dia 1.6B in bfloat16, one utterance with guidance (two rows), 1000 rows in the
caches, a text of 170 bytes: what `dia bench` times. Writes the table that lies beside it:

    tests/gpu/estimates.py > tests/gpu/estimates.tsv

Nothing in it is measured. Loads under way, registers and the length of loops are counted in the machine code (tests/gpu/machine-code);
latencies, how bandwidth saturates, and the gap between launches are guesses: only a GPU tells.
"""
import math

# Multiprocessors, GHz, GB/s, cycles to L2 and to memory, nanoseconds of latency that bytes under way must cover, us between launches, warps.
GPUS = {
    'H100 SXM': (132, 1.755, 3350, 270, 550, 400, 1.1, 64),
    'RTX 4090': (128, 2.52, 1008, 280, 600, 300, 1.0, 48),
    'AGX Orin': (16, 1.3, 204.8, 250, 800, 700, 2.5, 48),
}
ROWS, TEXT, LAYERS, HIDDEN, INTERMEDIATE, LOGITS = 1000, 170, 18, 2048, 8192, 9 * 1028
WARPS = 32                                  # of a multiprocessor: step_linear has 64 registers
LOADS = 8                                   # of 16 bytes under way in a lane
CACHE_BYTES = {1: 512 / 16, 2: 1024 / 32}   # bytes of weights a clock, as fast as x comes through L1: by rows


def linear(gpu, n, k, rows):
    """us of y[rows, n] = x[rows, k] w."""
    count, clock, bandwidth, _, memory, latency, _, most = GPUS[gpu]
    warps = math.ceil(n / rows)             # a warp makes as many outputs as there are rows
    blocks = math.ceil(warps / 4)
    active = min(1, blocks / count)
    resident = min(WARPS, most, max(4, warps / (count * active)))
    under_way, wanted = resident * LOADS * 512, bandwidth * latency / count
    reached = 0.92 * (1 - math.exp(-under_way / wanted)) * active * bandwidth
    cache = CACHE_BYTES[rows] * count * clock
    both = (reached ** -3 + cache ** -3) ** (-1 / 3)
    rounds = math.ceil(k / 256 / LOADS * rows) * math.ceil(warps / count / resident)
    chain = (rounds * memory + k / 256 * 45) / (clock * 1e3)
    return max(n * k * 2 / both / 1e3, chain) + memory * 0.65 / (clock * 1e3)


def operations(gpu):
    """(operation and sizes as `dia bench` names them, launches, us of all of them)"""
    count, clock, bandwidth, l2, memory, _, _, _ = GPUS[gpu]

    def cycles(c):
        return c / (clock * 1e3)

    def attend(keys, heads, sequences):
        blocks = math.ceil(keys / 64) * heads * sequences
        chain = cycles(2.8 * memory + 1600 + 550 + 3000) if heads == 4 else cycles(2.4 * memory + 350 + 530 + 2300)
        moved = 2 * keys * heads * 128 * 4 * sequences / (bandwidth * 850)
        return max(chain * max(1, blocks / count / 3), moved)

    def join(keys):
        return cycles(3 * l2 + math.ceil(math.ceil(keys / 64) / 8) * (l2 + 240) + 900)

    def weights(times, rows, n, k):
        return (f'step_linear BFloat16\t{times} x [{rows}, {n}, {k}]', times, times * linear(gpu, n, k, rows))

    yield ('sample_rows, advance\t[2, 9, 1028]', 2, cycles(30000))
    yield ('embed_sum\t[2, 9, 2048]', 1, cycles(4 * memory))
    yield ('rms_norm\t37 x [2, 2048]', 37, 37 * cycles(memory + 0.3 * l2 + 600))
    yield ('rms_norm\t18 x [1, 2048]', 18, 18 * cycles(memory + 0.3 * l2 + 600))
    yield weights(36, 2, HIDDEN, HIDDEN)
    yield weights(36, 2, 512, HIDDEN)
    yield weights(18, 2, 2 * INTERMEDIATE, HIDDEN)
    yield weights(18, 2, HIDDEN, INTERMEDIATE)
    yield weights(1, 2, LOGITS, HIDDEN)
    yield weights(36, 1, HIDDEN, HIDDEN)
    yield ('gated_activation\t18 x [2, 8192]', 18, 18 * cycles(2 * l2 + 400))
    yield ('add_row\t18 x [1, 2048]', 18, 18 * cycles(memory + 400))
    yield ('rope_table\t[2, 64]', 1, cycles(2 * memory + 800))
    yield ('rope\t18 x [2, 16, 128]', 18, 18 * cycles(1.5 * l2 + 450))
    yield ('rope_key_values\t18 x [2, 4, 128]', 18, 18 * cycles(1.5 * l2 + 450))
    yield (f'attention over the rows\t18 x 2 x [1, 16/4, 128], {ROWS} keys', 36, 18 * (attend(ROWS, 4, 2) + join(ROWS)))
    yield (f'attention over the text\t18 x 1 x [1, 16/16, 128], {TEXT} keys', 36, 18 * (attend(TEXT, 16, 1) + join(TEXT)))


print('operation\tsizes\tlaunches\t' + '\t'.join(f'us each, {gpu}' for gpu in GPUS))
tables = [list(operations(gpu)) for gpu in GPUS]
for rows in zip(*tables):
    print(f'{rows[0][0]}\t{rows[0][1]}\t' + '\t'.join(f'{us / launches:.1f}' for _, launches, us in rows))
launches = sum(row[1] for row in tables[0])
print(f'a step, with the gaps between launches\t\t{launches}\t' + '\t'.join(f'{sum(r[2] for r in table) + launches * GPUS[gpu][6]:.0f}' for gpu, table in zip(GPUS, tables)))
