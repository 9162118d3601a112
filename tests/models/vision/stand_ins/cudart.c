/* A stand-in for libcudart, for machines without a GPU.
 *
 * It is stricter than the real one. Device addresses are no addresses of this process, so whoever
 * mixes up host and device crashes or is told. A stream does nothing until somebody waits for it, so
 * a forgotten wait or a host buffer that went away shows. Any call can be told to fail, and what is
 * not given back is counted.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID_VALUE = 1, NO_MEMORY = 2, NO_DEVICE = 100, INVALID_HANDLE = 400 };
enum { ALLOCATIONS = 64, STREAMS = 8, QUEUE = 64 };
#define FAR_AWAY ((uintptr_t)0x5000000000000000)

typedef void (*work_t)(void *);
typedef struct { void *host; size_t size; } allocation_t;
typedef struct { int kind; void *to; const void *from; size_t size; work_t work; void *argument; } step_t;
typedef struct { int open; int count; step_t steps[QUEUE]; } stream_t;

static allocation_t allocations[ALLOCATIONS];
static stream_t streams[STREAMS];
static int gpus = 1, fail_in = 0, fail_code = 0, calls = 0;

/* ----- told by tests ----- */

void standin_reset(int count) { gpus = count; fail_in = calls = 0; }
void standin_fail(int in_calls, int code) { fail_in = in_calls; fail_code = code; }
size_t standin_allocated(void) {
    size_t sum = 0;
    for (int i = 0; i < ALLOCATIONS; i++) sum += allocations[i].host ? allocations[i].size : 0;
    return sum;
}
int standin_streams(void) {
    int open = 0;
    for (int i = 0; i < STREAMS; i++) open += streams[i].open;
    return open;
}

int standin_calls(void) { return calls; }
void standin_forget(void) {
    memset(allocations, 0, sizeof allocations);
    memset(streams, 0, sizeof streams);
}

static int fails(void) { calls++; return fail_in > 0 && --fail_in == 0; }
#define MAY_FAIL if (fails()) return fail_code

static allocation_t *find(const void *device) {
    for (int i = 0; i < ALLOCATIONS; i++)
        if (allocations[i].host && (uintptr_t)allocations[i].host + FAR_AWAY == (uintptr_t)device)
            return &allocations[i];
    return NULL;
}

/* ----- asked by the stand-in for TensorRT ----- */

void *standin_peek(const void *device, size_t size) {
    allocation_t *there = find(device);
    return there && there->size >= size ? there->host : NULL;
}
static stream_t *stream_of(void *handle) {
    uintptr_t index = (uintptr_t)handle - FAR_AWAY - 1;
    return index < STREAMS && streams[index].open ? &streams[index] : NULL;
}
static int put(void *handle, step_t step) {
    stream_t *stream = stream_of(handle);
    if (!stream || stream->count == QUEUE) return INVALID_HANDLE;
    stream->steps[stream->count++] = step;
    return OK;
}
int standin_enqueue(void *handle, work_t work, void *argument) {
    return put(handle, (step_t){.kind = 0, .work = work, .argument = argument});
}

/* ----- what the real one has ----- */

int cudaGetDeviceCount(int *count) { MAY_FAIL; *count = gpus; return gpus ? OK : NO_DEVICE; }
int cudaSetDevice(int device) { MAY_FAIL; return device < gpus ? OK : NO_DEVICE; }
int cudaGetDeviceProperties(void *properties, int device) {
    MAY_FAIL;
    memset(properties, 0xAA, 1032);
    strcpy(properties, "Stand-in GPU");
    return device < gpus ? OK : NO_DEVICE;
}
int cudaMalloc(void **device, size_t size) {
    MAY_FAIL;
    for (int i = 0; i < ALLOCATIONS; i++)
        if (!allocations[i].host) {
            allocations[i] = (allocation_t){malloc(size), size};
            memset(allocations[i].host, 0xFF, size);
            *device = (void *)((uintptr_t)allocations[i].host + FAR_AWAY);
            return OK;
        }
    return NO_MEMORY;
}
int cudaFree(void *device) {
    MAY_FAIL;
    allocation_t *there = find(device);
    if (!there) return INVALID_VALUE;
    free(there->host);
    there->host = NULL;
    return OK;
}
int cudaStreamCreate(void **handle) {
    MAY_FAIL;
    for (uintptr_t i = 0; i < STREAMS; i++)
        if (!streams[i].open) {
            streams[i].open = 1;
            streams[i].count = 0;
            *handle = (void *)(i + 1 + FAR_AWAY);
            return OK;
        }
    return NO_MEMORY;
}
int cudaStreamDestroy(void *handle) {
    MAY_FAIL;
    stream_t *stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    stream->open = 0;
    return OK;
}
int cudaMemcpyAsync(void *to, const void *from, size_t size, int kind, void *handle) {
    MAY_FAIL;
    const void *device = kind == 1 ? to : from;
    allocation_t *there = find(device);
    if ((kind != 1 && kind != 2) || !there || there->size < size) return INVALID_VALUE;
    return put(handle, (step_t){.kind = kind, .to = to, .from = from, .size = size});
}
int cudaStreamSynchronize(void *handle) {
    MAY_FAIL;
    stream_t *stream = stream_of(handle);
    if (!stream) return INVALID_HANDLE;
    for (int i = 0; i < stream->count; i++) {
        step_t *step = &stream->steps[i];
        if (step->kind == 0) step->work(step->argument);
        if (step->kind == 1) memcpy(find(step->to)->host, step->from, step->size);
        if (step->kind == 2) memcpy(step->to, find(step->from)->host, step->size);
    }
    stream->count = 0;
    return OK;
}
const char *cudaGetErrorString(int code) { return code == NO_MEMORY ? "out of memory" : "told to fail"; }
