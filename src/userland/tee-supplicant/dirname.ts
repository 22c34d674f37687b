/** dirname() of the C library (POSIX): the path without its last component. */
export function dirname(path: string): string {
  const last = path.replace(/\/+$/, '').lastIndexOf('/');
  if (last < 0) return path.startsWith('/') ? '/' : '.';
  return path.slice(0, last).replace(/\/+$/, '') || '/';
}
