// What a tab remembers over a reload: whether it was stopped while a model was loading. Browsers on
// phones end a tab that takes too much memory without a word, and open it again.

const NAME = "fiancee-embed loading";

/** True if loading began in this tab before and never came to its end. */
export const stopped = quietly(() => sessionStorage.getItem(NAME) !== null) ?? false;
ends();

export function begins() {
  quietly(() => sessionStorage.setItem(NAME, "1"));
}

export function ends() {
  quietly(() => sessionStorage.removeItem(NAME));
}

// Sandboxed frames remember nothing.
function quietly(action) {
  try {
    return action();
  } catch {
    return undefined;
  }
}
