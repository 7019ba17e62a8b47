/*
 * serin_recorder.h: an application tells Serin's agent how its requests end and how long they take.
 *
 * One header, no library to link, C11 or C++11, GCC or clang, Linux. Copy it or include it:
 *
 *   #include <serin_recorder.h>
 *
 *   struct serin_recorder_options options = {0};
 *   options.service = "api";                         // as its file in services.d is called
 *   struct serin_recorder *recorder = serin_recorder_open(&options);
 *   …
 *   uint64_t began = serin_recorder_now();
 *   … answer the request …
 *   serin_record(recorder, SERIN_OK, serin_recorder_now() - began);
 *
 * and in the service's file on the host:  [[requests]]  source = "recorder"
 *
 * What it does: the process gets a file of its own, /run/serin/agent/recorder/SERVICE.PID.RANDOM,
 * of 64-bit counters: one for each outcome and each of 297 ranges of latency (9 % wide, 1 µs to 36
 * h, the buckets that Serin itself uses). Recording a request is one atomic addition to memory that
 * is shared with that file: no system call, no lock, no allocation. The agent reads the file once a
 * second.
 *
 * What can be relied on:
 * - Any number of threads may record at once; each uses one of a few sets of counters (shards).
 * - Nothing is lost when the process dies, however it dies: what was recorded is in the file, and
 * the agent reads it a last time and removes it. A request is one addition, so it is there or it is
 * not.
 * - A child made by fork() gets a file of its own with its first request.
 * - Without the folder, without the right to write there, or with a full disk nothing is recorded
 * and nothing else happens; it is tried again every 5 s. serin_recorder_error() tells why. The
 * file's pages are allocated beforehand: a disk that fills up later is never a SIGBUS.
 * - Not from signal handlers, and not while serin_recorder_close() runs.
 *
 * The file's layout is struct serin_recorder_header, then `shards` times `shard_cells` cells of 8
 * bytes in the byte order of the machine: SERIN_RECORDER_COLUMNS cells for each outcome of each
 * class, then one for each counter, then the number of calls that named a class, outcome or counter
 * that is not there. Counters only grow. Another layout gets another version.
 *
 * A process under systemd with ProtectSystem=strict needs
 * ReadWritePaths=-/run/serin/agent/recorder.
 */
#ifndef SERIN_RECORDER_H
#define SERIN_RECORDER_H

#if !defined(_GNU_SOURCE) && !defined(_DEFAULT_SOURCE)
#define _DEFAULT_SOURCE 1 /* what -std=c11 hides; helps where this comes first */
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if !defined(MAP_ANONYMOUS) || !defined(CLOCK_MONOTONIC_COARSE)
#error "serin_recorder.h: compile with -std=gnu11 or -D_DEFAULT_SOURCE, or include it first"
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define SERIN_RECORDER_FOLDER "/run/serin/agent/recorder"
#define SERIN_RECORDER_MAGIC "SERINREC"
#define SERIN_NO_DURATION UINT64_MAX /* a request of which nobody knows how long it took */

enum {
  SERIN_OUTCOMES = 5,
  SERIN_RECORDER_VERSION = 1,
  SERIN_RECORDER_HEADER_BYTES = 4096,
  SERIN_RECORDER_SCALE = 3,           /* bucket i covers (2^(i/8), 2^((i+1)/8)] seconds */
  SERIN_RECORDER_FIRST_BUCKET = -160, /* and all that is faster */
  SERIN_RECORDER_LAST_BUCKET = 136,   /* and all that is slower */
  SERIN_RECORDER_COLUMNS = 298,       /* the buckets, then SERIN_NO_DURATION */
  SERIN_RECORDER_NAME_BYTES = 64,     /* with the 0 at the end; a-z 0-9 _ - */
  SERIN_RECORDER_MOST_CLASSES = 16,
  SERIN_RECORDER_MOST_COUNTERS = 16,
  SERIN_RECORDER_MOST_SHARDS = 16,
  SERIN_RECORDER_MOST_FILES = 256 /* of one service; beyond that nobody reads them */
};

enum serin_outcome {
  SERIN_OK = 0,
  SERIN_SERVER_ERROR = 1, /* the service's own fault: a 5xx, or no answer */
  SERIN_CLIENT_ERROR = 2, /* a 4xx */
  SERIN_ABORTED = 3,      /* the client went away */
  SERIN_LIMITED = 4       /* refused because there were too many: a 429 */
};

struct serin_recorder_options {
  const char* service;         /* needed: a-z 0-9 _ -, at most 63 */
  const char* folder;          /* NULL: SERIN_RECORDER_FOLDER */
  const char* const* classes;  /* names of kinds of requests, NULL at the end; NULL: one kind */
  const char* const* counters; /* names of business counters, NULL at the end; NULL: none */
  unsigned shards;             /* 0: one for each processor, at most 8. 1 for a single thread */
};

/* The first SERIN_RECORDER_HEADER_BYTES of a file, zeros behind it. */
struct serin_recorder_header {
  char magic[8];
  uint32_t version;
  uint32_t header_bytes;
  uint32_t pid; /* as the process itself sees it */
  uint32_t shards;
  uint64_t start_ticks; /* of the process, since boot: field 22 of /proc/PID/stat */
  uint64_t shard_cells;
  int32_t scale;
  int32_t first_bucket;
  uint32_t columns;
  uint32_t outcomes;
  uint32_t classes;
  uint32_t counters;
  char boot_id[40];
  char service[SERIN_RECORDER_NAME_BYTES];
  char class_names[SERIN_RECORDER_MOST_CLASSES][SERIN_RECORDER_NAME_BYTES];
  char counter_names[SERIN_RECORDER_MOST_COUNTERS][SERIN_RECORDER_NAME_BYTES];
};

struct serin_recorder;

/* ---- what an application calls */

/* Never fails for reasons of the host: see serin_recorder_error(). NULL with errno EINVAL: a name
 * is wrong, or there are too many; ENOMEM. */
static inline struct serin_recorder* serin_recorder_open(
    const struct serin_recorder_options* options);
/* The last word of a process that carries on without recording. No other thread may record now. */
static inline void serin_recorder_close(struct serin_recorder* recorder);
/* errno of the last attempt to make the file; 0: it is there. */
static inline int serin_recorder_error(const struct serin_recorder* recorder);

/* One request that ended now, after so many nanoseconds or SERIN_NO_DURATION. */
static inline void serin_record(struct serin_recorder* recorder, enum serin_outcome outcome,
                                uint64_t nanoseconds);
/* The same for a class: its place in options.classes. */
static inline void serin_record_class(struct serin_recorder* recorder, unsigned class_index,
                                      enum serin_outcome outcome, uint64_t nanoseconds);
/* A business counter, by its place in options.counters. */
static inline void serin_count(struct serin_recorder* recorder, unsigned counter, uint64_t amount);

/* Nanoseconds of a clock that never steps, to take the difference of two. */
static inline uint64_t serin_recorder_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- how it does it */

/* Lies in a page that the kernel empties in a child: cells == NULL there means "make a file". */
struct serin_recorder_live {
  uint64_t* cells;
  int64_t retry_at; /* seconds of CLOCK_MONOTONIC */
  uint32_t busy;    /* one thread makes the file */
  uint32_t next_thread;
  int error;
};

struct serin_recorder {
  struct serin_recorder_live* live;
  unsigned shards, classes, counters;
  size_t shard_cells;
  int wiped_on_fork;
  /* Of this process or, until a child has made its own, of its parent's. */
  int fd;
  dev_t device;
  ino_t inode;
  char* folder;
  struct serin_recorder_header header;
};

static inline size_t serin_recorder_bytes(const struct serin_recorder* recorder) {
  return SERIN_RECORDER_HEADER_BYTES + recorder->shards * recorder->shard_cells * 8;
}

/* The column of a latency. Which bucket it is follows from the bits of the seconds as a double: the
 * exponent gives the power of two, its part between is compared with 2^(i/8). Linear and
 * logarithmic eighths are never further apart than one, so two comparisons are enough. A bucket is
 * open below. */
static inline unsigned serin_recorder_column(uint64_t nanoseconds) {
  static const uint64_t edges[9] = {0, /* fractions of 2^(i/8) as the 52 bits of a double */
                                    0x172B83C7D517BU,
                                    0x306FE0A31B715U,
                                    0x4BFDAD5362A27U,
                                    0x6A09E667F3BCDU,
                                    0x8ACE5422AA0DBU,
                                    0xAE89F995AD3ADU,
                                    0xD5818DCFBA487U,
                                    UINT64_MAX};
  double seconds = (double)nanoseconds * 1e-9;
  uint64_t bits, fraction, eighth;
  int bucket;
  if (nanoseconds == SERIN_NO_DURATION) return SERIN_RECORDER_COLUMNS - 1;
  memcpy(&bits, &seconds, sizeof bits);
  fraction = bits & 0xFFFFFFFFFFFFFU;
  eighth = fraction >> 49;
  bucket = ((int)(bits >> 52) - 1023) * 8 - 1 + (int)eighth + (edges[eighth] < fraction) +
           (edges[eighth + 1] < fraction);
  if (bucket < SERIN_RECORDER_FIRST_BUCKET) bucket = SERIN_RECORDER_FIRST_BUCKET;
  if (bucket > SERIN_RECORDER_LAST_BUCKET) bucket = SERIN_RECORDER_LAST_BUCKET;
  return (unsigned)(bucket - SERIN_RECORDER_FIRST_BUCKET);
}

static inline int serin_recorder_is_name(const char* name) {
  size_t length = name == NULL ? 0 : strlen(name), i;
  if (length == 0 || length >= SERIN_RECORDER_NAME_BYTES || name[0] == '-' || name[0] == '_')
    return 0;
  for (i = 0; i < length; ++i) {
    char c = name[i];
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-')) return 0;
  }
  return 1;
}

/* Copies names into the header; their number, or -1. */
static inline int serin_recorder_names(const char* const* names,
                                       char (*into)[SERIN_RECORDER_NAME_BYTES], int most) {
  int count = 0;
  for (; names != NULL && names[count] != NULL; ++count) {
    if (count == most || !serin_recorder_is_name(names[count])) return -1;
    memcpy(into[count], names[count], strlen(names[count]));
  }
  return count;
}

static inline ssize_t serin_recorder_read_text(const char* file, char* text, size_t size) {
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);
  if (fd >= 0) close(fd);
  text[got < 0 ? 0 : got] = 0;
  return got;
}

/* Who this process is: to be told anew in a child. */
static inline void serin_recorder_sign(struct serin_recorder_header* header) {
  char text[1024];
  const char* at;
  int field;
  header->pid = (uint32_t)getpid();
  header->start_ticks = 0;
  serin_recorder_read_text("/proc/self/stat", text, sizeof text);
  at = strrchr(text, ')'); /* the name before it may hold anything */
  for (field = 2; at != NULL && field < 22; ++field) at = strchr(at + 1, ' ');
  if (at != NULL) header->start_ticks = strtoull(at, NULL, 10);
  serin_recorder_read_text("/proc/sys/kernel/random/boot_id", text, sizeof text);
  text[strcspn(text, "\n")] = 0;
  snprintf(header->boot_id, sizeof header->boot_id, "%.36s", text);
}

static inline uint64_t serin_recorder_random(void) {
  uint64_t value = 0;
  int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  if (fd < 0 || read(fd, &value, sizeof value) != (ssize_t)sizeof value)
    value = serin_recorder_now() * 0x9E3779B97F4A7C15u; /* O_EXCL has the last word */
  if (fd >= 0) close(fd);
  return value;
}

/* Files pile up only while no agent removes those of the dead; they must not fill the host's /run.
 */
static inline int serin_recorder_has_room(int folder, const char* service) {
  size_t length = strlen(service);
  unsigned count = 0;
  struct dirent* entry;
  int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* listing = copy < 0 ? NULL : fdopendir(copy);
  if (listing == NULL) {
    if (copy >= 0) close(copy);
    return 1; /* a folder that may be written but not listed */
  }
  while (count < SERIN_RECORDER_MOST_FILES && (entry = readdir(listing)) != NULL)
    count += strncmp(entry->d_name, service, length) == 0 && entry->d_name[length] == '.';
  closedir(listing);
  return count < SERIN_RECORDER_MOST_FILES;
}

/* Fills a new file: locked, so that the kernel itself tells whose it is and whether he lives; only
 * then readable for others; all of it allocated; its head in one piece. 0, or errno. */
static inline int serin_recorder_prepare(struct serin_recorder* recorder, int fd) {
  char page[SERIN_RECORDER_HEADER_BYTES];
  struct flock lock;
  struct stat status;
  int error;
  memset(&lock, 0, sizeof lock);
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  (void)fcntl(fd, F_SETLK, &lock); /* where there are no locks, pid and start ticks have to do */
  if (fchmod(fd, 0644) != 0) return errno;
  error = posix_fallocate(fd, 0, (off_t)serin_recorder_bytes(recorder));
  if (error != 0) return error;
  memset(page, 0, sizeof page);
  serin_recorder_sign(&recorder->header);
  memcpy(page, &recorder->header, sizeof recorder->header);
  if (pwrite(fd, page, sizeof page, 0) != (ssize_t)sizeof page) return errno ? errno : EIO;
  if (fstat(fd, &status) != 0) return errno;
  recorder->device = status.st_dev;
  recorder->inode = status.st_ino;
  return 0;
}

/* The descriptor is closed if it still is what was opened: a program that closes all it does not
 * know may have given the number to something else. */
static inline void serin_recorder_drop_fd(struct serin_recorder* recorder) {
  struct stat status;
  if (recorder->fd >= 0 && fstat(recorder->fd, &status) == 0 && status.st_dev == recorder->device &&
      status.st_ino == recorder->inode)
    close(recorder->fd);
  recorder->fd = -1;
}

/* 0 and the cells, or errno. */
static inline int serin_recorder_make_file(struct serin_recorder* recorder, uint64_t** cells) {
  char name[SERIN_RECORDER_NAME_BYTES + 48];
  void* map = MAP_FAILED;
  int error = 0, fd = -1;
  int folder = open(recorder->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return errno;
  snprintf(name, sizeof name, "%s.%ld.%016llx", recorder->header.service, (long)getpid(),
           (unsigned long long)serin_recorder_random());
  if (!serin_recorder_has_room(folder, recorder->header.service)) {
    error = EDQUOT;
  } else {
    fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    error = fd < 0 ? errno : serin_recorder_prepare(recorder, fd);
  }
  if (error == 0) {
    map = mmap(NULL, serin_recorder_bytes(recorder), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) error = errno;
  }
  if (error != 0) {
    if (fd >= 0) {
      unlinkat(folder, name, 0);
      close(fd);
    }
  } else {
    if (recorder->wiped_on_fork) madvise(map, serin_recorder_bytes(recorder), MADV_DONTFORK);
    recorder->fd = fd;
    *cells = (uint64_t*)(void*)((char*)map + SERIN_RECORDER_HEADER_BYTES);
  }
  close(folder);
  return error;
}

static inline int64_t serin_recorder_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return (int64_t)now.tv_sec;
}

/* No cells: makes the file, or waits for the thread that does. NULL: there cannot be one now. */
static inline uint64_t* serin_recorder_attach(struct serin_recorder* recorder) {
  enum { kRetrySeconds = 5 };
  struct serin_recorder_live* live = recorder->live;
  uint64_t* cells = NULL;
  int error, before = errno;
  for (;;) {
    cells = __atomic_load_n(&live->cells, __ATOMIC_ACQUIRE);
    if (cells != NULL) return cells;
    if (serin_recorder_seconds() < __atomic_load_n(&live->retry_at, __ATOMIC_ACQUIRE)) return NULL;
    if (__atomic_exchange_n(&live->busy, 1, __ATOMIC_ACQUIRE) == 0) break;
    sched_yield();
  }
  cells = __atomic_load_n(&live->cells, __ATOMIC_ACQUIRE); /* made meanwhile? */
  if (cells == NULL &&
      serin_recorder_seconds() >= __atomic_load_n(&live->retry_at, __ATOMIC_RELAXED)) {
    serin_recorder_drop_fd(recorder); /* the parent's */
    error = serin_recorder_make_file(recorder, &cells);
    __atomic_store_n(&live->error, error, __ATOMIC_RELAXED);
    if (error != 0)
      __atomic_store_n(&live->retry_at, serin_recorder_seconds() + kRetrySeconds, __ATOMIC_RELEASE);
    __atomic_store_n(&live->cells, cells, __ATOMIC_RELEASE);
  }
  __atomic_store_n(&live->busy, 0, __ATOMIC_RELEASE);
  errno = before;
  return cells;
}

/* The cells of this thread's shard, or NULL. */
static inline uint64_t* serin_recorder_shard(struct serin_recorder* recorder) {
  static __thread unsigned thread; /* 0: has none yet */
  uint64_t* cells = __atomic_load_n(&recorder->live->cells, __ATOMIC_ACQUIRE);
  if (__builtin_expect(cells == NULL, 0)) {
    cells = serin_recorder_attach(recorder);
    if (cells == NULL) return NULL;
  }
  if (__builtin_expect(thread == 0, 0))
    thread = 1 + __atomic_fetch_add(&recorder->live->next_thread, 1, __ATOMIC_RELAXED) %
                     SERIN_RECORDER_MOST_SHARDS;
  return cells + (thread & (recorder->shards - 1)) * recorder->shard_cells;
}

static inline void serin_recorder_add(uint64_t* cell, uint64_t amount) {
  __atomic_fetch_add(cell, amount, __ATOMIC_RELAXED);
}

static inline void serin_record_class(struct serin_recorder* recorder, unsigned class_index,
                                      enum serin_outcome outcome, uint64_t nanoseconds) {
  uint64_t* shard = recorder == NULL ? NULL : serin_recorder_shard(recorder);
  unsigned column = serin_recorder_column(nanoseconds);
  if (shard == NULL) return;
  if (__builtin_expect(class_index >= recorder->classes || (unsigned)outcome >= SERIN_OUTCOMES, 0))
    serin_recorder_add(
        shard + recorder->classes * SERIN_OUTCOMES * SERIN_RECORDER_COLUMNS + recorder->counters,
        1);
  else
    serin_recorder_add(
        shard + (class_index * SERIN_OUTCOMES + (unsigned)outcome) * SERIN_RECORDER_COLUMNS +
            column,
        1);
}

static inline void serin_record(struct serin_recorder* recorder, enum serin_outcome outcome,
                                uint64_t nanoseconds) {
  serin_record_class(recorder, 0, outcome, nanoseconds);
}

static inline void serin_count(struct serin_recorder* recorder, unsigned counter, uint64_t amount) {
  uint64_t* shard = recorder == NULL ? NULL : serin_recorder_shard(recorder);
  int known;
  if (shard == NULL) return;
  known = counter < recorder->counters;
  serin_recorder_add(shard + recorder->classes * SERIN_OUTCOMES * SERIN_RECORDER_COLUMNS +
                         (known ? counter : recorder->counters),
                     known ? amount : 1);
}

static inline int serin_recorder_error(const struct serin_recorder* recorder) {
  return recorder == NULL ? EINVAL : __atomic_load_n(&recorder->live->error, __ATOMIC_RELAXED);
}

/* A power of two, so that a thread's place needs no division. */
static inline unsigned serin_recorder_shards(unsigned wanted) {
  unsigned shards = 1;
  if (wanted == 0) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    wanted = processors < 1 ? 1 : processors > 8 ? 8 : (unsigned)processors;
  }
  while (shards < wanted && shards < SERIN_RECORDER_MOST_SHARDS) shards *= 2;
  return shards;
}

static inline int serin_recorder_describe(struct serin_recorder* recorder,
                                          const struct serin_recorder_options* options) {
  struct serin_recorder_header* header = &recorder->header;
  int classes =
      serin_recorder_names(options->classes, header->class_names, SERIN_RECORDER_MOST_CLASSES);
  int counters =
      serin_recorder_names(options->counters, header->counter_names, SERIN_RECORDER_MOST_COUNTERS);
  if (!serin_recorder_is_name(options->service) || classes < 0 || counters < 0) return -1;
  recorder->classes = classes == 0 ? 1 : (unsigned)classes;
  recorder->counters = (unsigned)counters;
  recorder->shards = serin_recorder_shards(options->shards);
  /* Whole pairs of cache lines, which processors fetch together. */
  recorder->shard_cells =
      (recorder->classes * SERIN_OUTCOMES * SERIN_RECORDER_COLUMNS + recorder->counters + 1 + 15) /
      16 * 16;
  memcpy(header->magic, SERIN_RECORDER_MAGIC, sizeof header->magic);
  header->version = SERIN_RECORDER_VERSION;
  header->header_bytes = SERIN_RECORDER_HEADER_BYTES;
  header->shards = recorder->shards;
  header->shard_cells = recorder->shard_cells;
  header->scale = SERIN_RECORDER_SCALE;
  header->first_bucket = SERIN_RECORDER_FIRST_BUCKET;
  header->columns = SERIN_RECORDER_COLUMNS;
  header->outcomes = SERIN_OUTCOMES;
  header->classes = recorder->classes;
  header->counters = recorder->counters;
  memcpy(header->service, options->service, strlen(options->service));
  return 0;
}

static inline struct serin_recorder* serin_recorder_open(
    const struct serin_recorder_options* options) {
  struct serin_recorder* recorder =
      (struct serin_recorder*)calloc(1, sizeof(struct serin_recorder));
  void* page = mmap(NULL, sizeof(struct serin_recorder_live), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  const char* folder = options->folder == NULL ? SERIN_RECORDER_FOLDER : options->folder;
  char* folder_copy = (char*)malloc(strlen(folder) + 1);
  int error = ENOMEM;
  if (recorder != NULL && page != MAP_FAILED && folder_copy != NULL)
    error = serin_recorder_describe(recorder, options) == 0 ? 0 : EINVAL;
  if (error != 0) {
    free(recorder);
    free(folder_copy);
    if (page != MAP_FAILED) munmap(page, sizeof(struct serin_recorder_live));
    errno = error;
    return NULL;
  }
  recorder->folder = strcpy(folder_copy, folder);
  recorder->fd = -1;
  recorder->live = (struct serin_recorder_live*)page;
#ifdef MADV_WIPEONFORK /* before Linux 4.14 a child's requests count as its parent's */
  recorder->wiped_on_fork = madvise(page, sizeof(struct serin_recorder_live), MADV_WIPEONFORK) == 0;
#endif
  serin_recorder_attach(recorder);
  return recorder;
}

static inline void serin_recorder_close(struct serin_recorder* recorder) {
  uint64_t* cells = recorder == NULL ? NULL : recorder->live->cells;
  if (recorder == NULL) return;
  if (cells != NULL)
    munmap((char*)cells - SERIN_RECORDER_HEADER_BYTES, serin_recorder_bytes(recorder));
  serin_recorder_drop_fd(recorder); /* the file stays: the agent reads it a last time, removes it */
  munmap(recorder->live, sizeof(struct serin_recorder_live));
  free(recorder->folder);
  free(recorder);
}

#ifdef __cplusplus
}
#endif

#endif
