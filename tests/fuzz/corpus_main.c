/* Turns the files named on the command line into runs of one fuzz target, without libFuzzer.
 * Never mutates an input: this is how the corpus runs as an ordinary test.
 * Rules: docs/testing.md, "Fuzz". */
#include <stdlib.h>

#include "fuzz.h"

#define MAX_INPUT_BYTES (1 << 20)

int main(int count, char **paths) {
    uint8_t *bytes = malloc(MAX_INPUT_BYTES);
    if (!bytes) {
        return 1;
    }
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(paths[i], "rb");
        if (!file) {
            fprintf(stderr, "cannot open %s\n", paths[i]);
            free(bytes);
            return 1;
        }
        size_t size = fread(bytes, 1, MAX_INPUT_BYTES, file);
        fclose(file);
        LLVMFuzzerTestOneInput(bytes, size);
    }
    free(bytes);
    printf("%d inputs\n", count - 1);
    return count > 1 ? 0 : 1;
}
