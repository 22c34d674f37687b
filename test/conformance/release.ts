/** Releases of the kernel, as `uname -r` gives them. */
export type Release = readonly [major: number, minor: number];

export function isAtLeast(release: string, than: Release): boolean {
  const [major = 0, minor = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  return major > than[0] || (major === than[0] && minor >= than[1]);
}
