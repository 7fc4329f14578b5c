/** Where a real SQL Server is, from `SLUICE_TEST_SQLSERVER_URL`. */
import { isIP } from 'node:net'
import type { ConnectionSettings } from '../../../src/connections/connection.ts'

/** The variable that names a real server. */
export const variable = 'SLUICE_TEST_SQLSERVER_URL'

/**
 * Reads `mssql://user:password@host:port/database?trustServerCertificate=true` (or `?encrypt=false`; neither: TLS, verified). The user must be allowed
 * to make databases or schemas, procedures and logins; what is made is removed afterwards. Signs in the user and password are percent-encoded.
 *
 * @example serverAddress('mssql://sa:Secret-1@127.0.0.1:1433/master?trustServerCertificate=true').tls // 'unverified'
 * @throws Error which does not repeat the address: a password is in it
 */
export function serverAddress(address: string): ConnectionSettings {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url?.protocol !== 'mssql:' || url.hostname === '' || url.username === '')
    throw new Error(`${variable} must be mssql://user:password@host:port/database`)
  const options = ['encrypt', 'trustServerCertificate']
  const unknown = [...url.searchParams.keys()].filter((name) => !options.includes(name))
  if (unknown.length > 0)
    throw new Error(`${variable} knows the options ${options.join(' and ')}, not ${unknown.join()}`)
  const [encrypt, trust] = options.map((name) => url.searchParams.get(name))
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return {
    name: 'erp',
    kind: 'sqlserver',
    host,
    port: Number(url.port || 1433),
    database: decodeURIComponent(url.pathname.slice(1)) || 'master',
    user: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
    tls: encrypt === 'false' ? 'off' : trust === 'true' ? 'unverified' : 'verified',
    ...(isIP(host) > 0 ? {} : { serverName: host }),
    connectTimeoutSeconds: 15,
  }
}
