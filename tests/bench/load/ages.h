/* How old messages were when they came: a histogram with 128 steps to each doubling, as HDR
 * histograms have them, so that a percentile is at most 0.8 % too small. */
#ifndef AGES_H
#define AGES_H

#include <stdint.h>

enum { STEP_BITS = 7, STEPS = 58 << STEP_BITS };

static uint64_t ages[STEPS], aged;

static void add_age(int64_t age_ns) {
  uint64_t ns = age_ns > 0 ? (uint64_t)age_ns : 0;
  int shift = ns >> STEP_BITS ? 63 - STEP_BITS - __builtin_clzll(ns) : 0;
  ages[((uint64_t)shift << STEP_BITS) + (ns >> shift)]++;
  aged++;
}

static uint64_t least_ns(uint64_t step) {
  uint64_t shift = step >> STEP_BITS > 1 ? (step >> STEP_BITS) - 1 : 0;
  return (step - (shift << STEP_BITS)) << shift;
}

/* The age that `share` (0 to 1) of the messages did not exceed; 0 when there were none. */
static double percentile_ms(double share) {
  double wanted = share * (double)aged;
  uint64_t seen = 0;
  for (uint64_t step = 0; step < STEPS; step++) {
    seen += ages[step];
    if (seen && (double)seen >= wanted) return (double)least_ns(step) / 1e6;
  }
  return 0;
}

#endif
