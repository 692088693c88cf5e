/** A short random token: unguessable is not needed, unlikely to meet again is. */
export function randomToken(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(6))).toString('base64url');
}
