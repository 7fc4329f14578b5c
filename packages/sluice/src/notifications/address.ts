/** Which addresses a webhook may connect to: public ones (fault NO-03). */
import ipaddr from 'ipaddr.js'

/** Addresses in public ranges behind which a cloud keeps a machine's own secrets. */
const metadata: readonly string[] = ['168.63.129.16']

/** IPv6 that is assigned to the public internet (IANA, IPv6 Global Unicast Address Assignments). */
const globalUnicast = ipaddr.parseCIDR('2000::/3')

/**
 * Whether an address is on the public internet: no loopback, private, link-local, shared, reserved, multicast, mapped, translated or tunnelled one.
 *
 * @example isPublicAddress('169.254.169.254') // false
 * @param address as the system's resolver writes it; anything else is not public
 */
export function isPublicAddress(address: string): boolean {
  if (address.includes('%') || !ipaddr.isValid(address)) return false
  const parsed = ipaddr.parse(address)
  if (parsed.range() !== 'unicast' || metadata.includes(parsed.toString())) return false
  return parsed.kind() === 'ipv4' || parsed.match(globalUnicast)
}
