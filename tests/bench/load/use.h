/* What the server's processes have used, from /proc. */
#ifndef USE_H
#define USE_H

#include <unistd.h>

#include "basics.h"

typedef struct {
  double cpu_s;
  int64_t memory_bytes;
} Use;

/* Of one process so far; nothing when it has ended. See proc(5). */
static Use use_of(unsigned pid) {
  char path[64], line[1024] = "";
  snprintf(path, sizeof path, "/proc/%u/stat", pid);
  FILE *file = fopen(path, "r");
  if (!file) return (Use){0, 0};
  line[fread(line, 1, sizeof line - 1, file)] = 0;
  fclose(file);
  const char *behind_name = strrchr(line, ')');
  unsigned long user = 0, kernel = 0;
  long pages = 0;
  if (behind_name)
    sscanf(behind_name,
           ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u %*u"
           " %ld", &user, &kernel, &pages);
  return (Use){(double)(user + kernel) / (double)sysconf(_SC_CLK_TCK),
               pages * sysconf(_SC_PAGESIZE)};
}

static Use use_of_all(const unsigned *pid, size_t count) {
  Use all = {0, 0};
  for (size_t i = 0; i < count; i++) {
    Use one = use_of(pid[i]);
    all = (Use){all.cpu_s + one.cpu_s, all.memory_bytes + one.memory_bytes};
  }
  return all;
}

#endif
