/** The `uevent` attribute of a device (drivers/base/core.c): what udev was told, a line each. */
export function ueventText(variables: Readonly<Record<string, string>>): string {
  return Object.entries(variables)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
