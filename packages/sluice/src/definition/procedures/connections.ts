/** What options of a connection do not fit each other, and what connections of other tools say that means something else here. Pure. */
import { type Problem, problem } from '../../base/errors.ts'
import type { ConnectionInput } from '../input.ts'
import type { Misfit } from '../problems/consistency.ts'
import type { Path, Places } from '../problems/places.ts'
import { serverAddress } from './server-address.ts'

/**
 * The options of a connection that do not fit its server, its login or each other.
 *
 * @example connectionMisfits({ kind: 'mysql', host: 'h', database: 'd', user: 'u', password, readOnlyIntent: true }) // [{ key: 'readOnlyIntent', … }]
 */
export function connectionMisfits(connection: ConnectionInput): readonly Misfit[] {
  const own = connection.kind === 'sqlserver' ? sqlServerMisfits(connection) : otherMisfits(connection)
  return [...own, ...loginMisfits(connection), ...tlsMisfits(connection)]
}

const wrong = (key: string, expected: string, when: boolean): readonly Misfit[] => (when ? [{ key, expected }] : [])

function sqlServerMisfits({ host, port }: ConnectionInput): readonly Misfit[] {
  if (typeof host !== 'string') return []
  const address = serverAddress(host)
  if ('expected' in address) return [{ key: 'host', expected: address.expected }]
  const { instance, port: own } = address
  return [
    ...wrong('port', `left out, as the host names the port ${own}`, own !== undefined && port !== undefined),
    ...wrong(
      'port',
      `left out, as the SQL Browser is asked for the port of the instance "${instance}"; or the instance left out of the host`,
      instance !== undefined && port !== undefined,
    ),
  ]
}

function otherMisfits(connection: ConnectionInput): readonly Misfit[] {
  const { host, tls } = connection
  return [
    ...wrong('host', 'the name or address of one server', typeof host === 'string' && /[\\,]/.test(host)),
    ...wrong('tls', "'verified', 'unverified' or 'off': 'strict' is TDS 8 of SQL Server", tls === 'strict'),
    ...(['login', 'readOnlyIntent', 'multiSubnetFailover'] as const).flatMap((key) =>
      wrong(key, 'left out, as it is for SQL Server', connection[key] !== undefined),
    ),
  ]
}

function loginMisfits({ kind, login, user, password, tls }: ConnectionInput): readonly Misfit[] {
  if (kind !== 'sqlserver' || login === undefined || login.kind === 'ntlm' || login.kind === 'entra-password')
    return [
      ...wrong('user', 'the name that logs in', user === undefined),
      ...wrong('password', 'a reference to its password', password === undefined),
      ...entraTls(login, tls),
    ]
  const expected = `left out, as a login of kind "${login.kind}" has none`
  return [
    ...wrong('user', expected, user !== undefined),
    ...wrong('password', expected, password !== undefined),
    ...entraTls(login, tls),
  ]
}

const entraTls = (login: ConnectionInput['login'], tls: ConnectionInput['tls']): readonly Misfit[] =>
  wrong(
    'tls',
    "'verified' or 'strict', as a token of Microsoft Entra ID opens the server to everybody who reads it",
    login !== undefined && login.kind !== 'ntlm' && tls === 'off',
  )

function tlsMisfits({ tls, ca, serverName }: ConnectionInput): readonly Misfit[] {
  if (tls !== 'off' && tls !== 'unverified') return []
  const expected = `left out, as no certificate is checked with tls: '${tls}'`
  return [
    ...wrong('ca', expected, ca !== undefined),
    ...wrong('serverName', expected, serverName !== undefined && tls === 'off'),
  ]
}

/** What the driver has no way to, by what other tools call it. */
const cannot: { readonly [word: string]: { readonly what: string; readonly why: string; readonly instead: string } } =
  Object.fromEntries(
    (
      [
        [
          ['integratedsecurity', 'trustedconnection', 'kerberos', 'integrated', 'sspi', 'windows', 'gssapi'],
          {
            what: 'integrated authentication (Kerberos)',
            why: 'it has no ticket of the machine',
            instead:
              "Log in with a user of the domain and its password (login: { kind: 'ntlm', domain: '…' }), with a login of the server, or with Microsoft Entra ID.",
          },
        ],
        [
          ['columnencryption', 'columnencryptionsetting', 'alwaysencrypted', 'columnencryptionkeycachettl'],
          {
            what: 'Always Encrypted (column encryption)',
            why: 'what it decrypts goes through its own decoder, which alters values',
            instead:
              'Let the procedure return what is not encrypted; an encrypted column comes as the bytes that the server keeps, and its contract is `binary`.',
          },
        ],
      ] as const
    ).flatMap(([words, said]) => words.map((word) => [word, said])),
  )

/** What other tools call an option of a connection, and how it is written here. */
const spellings: { readonly [word: string]: string } = {
  server: 'host',
  datasource: 'host',
  instance: "host: 'server\\instance'",
  instancename: "host: 'server\\instance'",
  initialcatalog: 'database',
  username: 'user',
  userid: 'user',
  uid: 'user',
  pwd: 'password',
  domain: "login: { kind: 'ntlm', domain: '…' }",
  authentication: 'login',
  encrypt: 'tls',
  ssl: 'tls',
  trustservercertificate: "tls: 'unverified'",
  applicationintent: 'readOnlyIntent: true',
  hostnameincertificate: 'serverName',
}

/**
 * What to say of a key or of a kind of login that Sluice does not know, where another tool does; nothing elsewhere.
 *
 * @example foreignOption(['connections', 'erp'], 'integratedSecurity', places)?.problem?.name // 'Connection.NotSupported'
 */
export function foreignOption(
  path: Path,
  word: string,
  places: Places,
): { readonly problem?: Problem; readonly suggestion?: string } {
  if (!path.slice(0, -1).includes('connections')) return {}
  const key = word.toLowerCase().replaceAll(/[\s_-]/g, '')
  if (!Object.hasOwn(cannot, key)) return Object.hasOwn(spellings, key) ? { suggestion: spellings[key]! } : {}
  const where = path.slice(path.lastIndexOf('connections')).join('.')
  return { problem: problem('Connection.NotSupported', { where, ...cannot[key]! }, { at: places.at(path, word) }) }
}
