// Whether a text has all of the words typed, in whatever order and case.
export function searchFor(typed) {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  return (text) => words.every((word) => text.toLowerCase().includes(word));
}
