/** Where a SQL Server is, as its own tools write it: `srv`, `srv\SALES`, `srv,1444`, `tcp:srv,1444`. Pure. */

/** A SQL Server's place in the network. */
export interface ServerAddress {
  readonly host: string
  readonly port?: number
  /** A named instance, whose port the server's SQL Browser knows. */
  readonly instance?: string
}

/**
 * Reads the address of a SQL Server.
 *
 * @example serverAddress('erp.example.com,1444') // { host: 'erp.example.com', port: 1444 }
 * @returns what it must be instead, where it is no address over TCP
 */
export function serverAddress(text: string): ServerAddress | { readonly expected: string } {
  if (/^(np|lpc|admin):|^\\\\/i.test(text)) return { expected: 'an address over TCP, the only way that the driver has' }
  if (/^\(localdb\)/i.test(text))
    return { expected: 'an address over TCP: LocalDB takes named pipes only, which the driver does not have' }
  const plain = text.replace(/^tcp:/i, '')
  const [, name = '', instance, port] = /^([^\\,]*)(?:\\([^\\,]*))?(?:,(.*))?$/s.exec(plain) ?? []
  const host = name.trim().replace(/^(\.|\(local\))$/i, 'localhost')
  if (host === '')
    return { expected: "a server, as in 'erp.example.com', 'erp.example.com\\SALES' or 'erp.example.com,1444'" }
  if (instance !== undefined && port !== undefined)
    return { expected: 'a server with its instance or with its port: a port is the instance' }
  if (instance !== undefined)
    return /^[\p{L}_#&][\p{L}\p{N}_#$]{0,15}$/u.test(instance)
      ? { host, instance }
      : { expected: "a server and the name of its instance, of at most 16 letters and digits, as in 'srv\\SALES'" }
  if (port === undefined) return { host }
  const number = /^\s*\d{1,5}\s*$/.test(port) ? Number(port) : 0
  if (number > 0 && number < 65_536) return { host, port: number }
  return { expected: "a server and its port, from 1 to 65535, as in 'srv,1444'" }
}
