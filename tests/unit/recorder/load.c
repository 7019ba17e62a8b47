#include "serin_recorder.h"

#include <math.h>
#include <pthread.h>

/* An application under load: records requests from several threads and tells what it recorded.
 *   recorder_load FOLDER SERVICE THREADS REQUESTS SEED
 * Prints "recorded", the number of each outcome, of orders, and the exact quantiles of the latencies
 * in nanoseconds; then it serves on until its input ends. */

enum { kOutcomes = 5, kQuantiles = 4 };

struct worker {
  pthread_t thread;
  struct serin_recorder *recorder;
  uint64_t random, requests, orders;
  uint64_t outcomes[kOutcomes];
  uint64_t *latencies;
};

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void *work(void *argument) {
  struct worker *worker = (struct worker *)argument;
  uint64_t i;
  for (i = 0; i < worker->requests; ++i) {
    uint64_t draw = next_random(&worker->random) % 100;
    enum serin_outcome outcome = draw < 90   ? SERIN_OK
                                 : draw < 93 ? SERIN_SERVER_ERROR
                                 : draw < 97 ? SERIN_CLIENT_ERROR
                                 : draw < 99 ? SERIN_ABORTED
                                             : SERIN_LIMITED;
    double uniform = (double)(next_random(&worker->random) >> 11) * 0x1p-53;
    worker->latencies[i] = (uint64_t)(1e6 * exp(4.0 * uniform * uniform));
    serin_record_class(worker->recorder, (unsigned)(i % 2), outcome, worker->latencies[i]);
    ++worker->outcomes[outcome];
    if (draw == 7) {
      serin_count(worker->recorder, 0, 2);
      worker->orders += 2;
    }
  }
  return NULL;
}

static int ascending(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  static const double quantiles[kQuantiles] = {0.5, 0.9, 0.99, 0.999};
  static const char *const classes[] = {"read", "write", NULL};
  static const char *const counters[] = {"orders", NULL};
  struct serin_recorder_options options = {0};
  struct serin_recorder *recorder;
  struct worker workers[16] = {{0}};
  uint64_t outcomes[kOutcomes] = {0}, orders = 0, *all;
  size_t threads, each, t, o;
  if (argc != 6) return 64;
  options.service = argv[2];
  options.folder = argv[1];
  options.classes = classes;
  options.counters = counters;
  recorder = serin_recorder_open(&options);
  threads = strtoul(argv[3], NULL, 10);
  each = strtoul(argv[4], NULL, 10);
  if (recorder == NULL || threads > 16) return 1;
  all = (uint64_t *)calloc(threads * each, sizeof(uint64_t));
  for (t = 0; t < threads; ++t) {
    workers[t].recorder = recorder;
    workers[t].requests = each;
    workers[t].random = strtoul(argv[5], NULL, 10) * 0x9E3779B97F4A7C15u + t + 1;
    workers[t].latencies = all + t * each;
    if (pthread_create(&workers[t].thread, NULL, work, &workers[t]) != 0) return 1;
  }
  for (t = 0; t < threads; ++t) {
    pthread_join(workers[t].thread, NULL);
    for (o = 0; o < kOutcomes; ++o) outcomes[o] += workers[t].outcomes[o];
    orders += workers[t].orders;
  }
  qsort(all, threads * each, sizeof(uint64_t), ascending);
  printf("recorded");
  for (o = 0; o < kOutcomes; ++o) printf(" %llu", (unsigned long long)outcomes[o]);
  printf(" %llu", (unsigned long long)orders);
  for (o = 0; o < kQuantiles; ++o)
    printf(" %llu", (unsigned long long)
                        all[(size_t)(quantiles[o] * (double)(threads * each - 1))]);
  printf("\n");
  fflush(stdout);
  free(all);
  while (getchar() != EOF) {
  }
  serin_recorder_close(recorder);
  return 0;
}
