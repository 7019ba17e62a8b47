#include "serin_recorder.h"

/* What a C program without extensions of the compiler makes of the header. */
int recorder_plain_c(const char *folder);

int recorder_plain_c(const char *folder) {
  struct serin_recorder_options options = {0};
  struct serin_recorder *recorder;
  int error;
  options.service = "plain";
  options.folder = folder;
  recorder = serin_recorder_open(&options);
  if (recorder == NULL) return errno;
  serin_record(recorder, SERIN_OK, 1000000);
  error = serin_recorder_error(recorder);
  serin_recorder_close(recorder);
  return error;
}
