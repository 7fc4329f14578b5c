/**
 * A real server that speaks TDS (SQL Server, Babelfish), where `SLUICE_TEST_SQLSERVER_URL` names one: see `sqlserver-address.ts` for its form.
 *
 * Everything is made in a database of its own, or, where none may be made, in a schema of its own; called by a login that may EXECUTE and nothing else,
 * where one may be made; and removed afterwards.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Connection, Request } from 'tedious'
import type { ConnectionSettings } from '../../../src/connections/connection.ts'
import { sqlServerConnector } from '../../../src/connections/sqlserver/connector.ts'
import { MessageReader, packetType } from '../../doubles/tds/packets.ts'
import { batchText, readCall } from '../../doubles/tds/requests.ts'
import type { ServerKind, ServerUnderTest } from './server.ts'
import { cases, oddNames, ownStatements } from './sqlserver.ts'
import { serverAddress, variable } from './sqlserver-address.ts'
import { bracketed, creation, realSession, realTypes, setUpProcedures } from './sqlserver-setup.ts'

/** The administrator's own connection: it takes texts of SQL, as ours never does. */
export interface Administrator {
  /** Runs one batch; answers the first value of its last row. */
  run(sql: string): Promise<unknown>
  close(): void
}

/** Connects as the address says. */
export async function administrator(address: ConnectionSettings): Promise<Administrator> {
  const { host, port, database, user, password, tls } = address
  const connection = new Connection({
    server: host,
    authentication: { type: 'default', options: { userName: user, password } },
    options: {
      port,
      database,
      encrypt: tls !== 'off',
      trustServerCertificate: tls === 'unverified',
      requestTimeout: 60_000,
    },
  })
  connection.on('error', () => undefined)
  await new Promise<void>((resolve, reject) => connection.connect((error) => (error ? reject(error) : resolve())))
  return {
    run: (sql) =>
      new Promise((resolve, reject) => {
        let value: unknown
        const request = new Request(sql, (error) => (error ? reject(error) : resolve(value)))
        request.on('row', ([first]: { value: unknown }[]) => {
          value = first?.value
        })
        connection.execSqlBatch(request)
      }),
    close: () => connection.close(),
  }
}

/** Runs a batch that a server may refuse; answers why it did. */
const refusal = (admin: Administrator, sql: string): Promise<string | undefined> =>
  admin.run(sql).then(
    () => undefined,
    (error: Error) => error.message,
  )

/** Where the procedures are made, and who calls them. */
interface Place {
  readonly database: string
  readonly schema: string
  readonly reader?: { readonly user: string; readonly password: string }
}

/**
 * A database (or schema) and a login, all of one name of their own.
 *
 * @param removal gets the batches that remove what was made, last first
 */
async function makePlace(
  admin: Administrator,
  address: ConnectionSettings,
  isBabelfish: boolean,
  removal: string[],
): Promise<Place> {
  const name = `sluice_test_${randomBytes(6).toString('hex')}`
  const noDatabase = await refusal(admin, `CREATE DATABASE ${name}`)
  const place =
    noDatabase === undefined ? { database: name, schema: 'dbo' } : { database: address.database, schema: name }
  if (noDatabase === undefined) {
    removal.push(`DROP DATABASE ${name}`)
    if (!isBabelfish) removal.push(`ALTER DATABASE ${name} SET SINGLE_USER WITH ROLLBACK IMMEDIATE`)
    removal.push('USE master')
    await admin.run(`USE ${name}`)
  } else {
    await admin.run(`CREATE SCHEMA ${name}`)
    removal.push(`DROP SCHEMA ${name}`)
  }
  const password = `${randomBytes(18).toString('base64url')}aA1-`
  const noLogin = await refusal(admin, `CREATE LOGIN ${name} WITH PASSWORD = N'${password}'`)
  if (noLogin === undefined) {
    removal.unshift(`DROP LOGIN ${name}`)
    await admin.run(`CREATE USER ${name} FOR LOGIN ${name} WITH DEFAULT_SCHEMA = ${place.schema}`)
    removal.push(`DROP USER ${name}`)
    return { ...place, reader: { user: name, password } }
  }
  if (noDatabase === undefined) return place
  throw new Error(`the user of ${variable} can make neither a database (${noDatabase}) nor a login (${noLogin})`)
}

/** Removes what was made; what is in use for a moment more is tried again, and what stays is reported. */
async function remove(admin: Administrator, removal: readonly string[]): Promise<void> {
  for (const sql of removal.toReversed())
    for (let attempt = 1; ; attempt++) {
      const why = await refusal(admin, sql)
      if (why === undefined) break
      if (attempt === 10) {
        console.warn(`what this suite made stays on the server: ${sql}: ${why}`)
        break
      }
      await sleep(1500)
    }
}

/** Why a test cannot be proven there, by its title. */
function unprovenOf(address: ConnectionSettings, hasReader: boolean): NonNullable<ServerUnderTest['unproven']> {
  const reasons: readonly (readonly [RegExp, string])[] = [
    [/^SR-12/, 'certificates of its own cannot be given to a server that is already running'],
    [/deadlock victim/, 'error 1205 cannot be raised by a procedure'],
    ...(address.tls === 'off' ? [] : [[/^the wire:/, 'what is encrypted cannot be read: encrypt=false'] as const]),
    ...(hasReader
      ? []
      : [
          [
            /without the permission|is described/,
            'no login could be made, and the one that was given may do everything',
          ] as const,
        ]),
  ]
  return (title) => reasons.find(([which]) => which.test(title))?.[1]
}

/** The names of calls, and the texts of batches, in what a client sent. */
function statements(sent: Buffer): readonly string[] {
  const texts: string[] = []
  const reader = new MessageReader((type, body) => {
    if (type === packetType.batch) texts.push(batchText(body))
    if (type === packetType.rpc) texts.push(readCall(body).sentName)
  })
  reader.push(sent)
  return texts
}

/** Makes everything, as an administrator; where that fails, what was made is removed. */
export async function setUp(admin: Administrator, address: ConnectionSettings): Promise<ServerUnderTest> {
  const removal: string[] = []
  const stop = async () => {
    await remove(admin, removal)
    admin.close()
  }
  try {
    const isBabelfish = /babelfish/i.test(String(await admin.run('SELECT @@VERSION AS version')))
    const { database, schema, reader } = await makePlace(admin, address, isBabelfish, removal)
    const types = realTypes(cases, isBabelfish)
    for (const procedure of setUpProcedures(types, oddNames, isBabelfish)) {
      const name = `${bracketed(schema)}.${bracketed(procedure.name)}`
      await admin.run(creation(schema, procedure))
      removal.push(`DROP PROCEDURE ${name}`)
      if (reader !== undefined && procedure.name !== 'forbidden')
        await admin.run(`GRANT EXECUTE ON ${name} TO ${reader.user}`)
    }
    return {
      settings: { ...address, database, ...reader },
      types,
      parameter: (name) => name,
      oddNames,
      session: realSession,
      errorCodes: { before: '50000', between: '50000', after: '50000', within: '8134' },
      returnCode: 7,
      cutsLongValues: true,
      knowsDatabases: true,
      unproven: unprovenOf(address, reader !== undefined),
      statements,
      ownStatements,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The server of `SLUICE_TEST_SQLSERVER_URL`; none where it is not set. */
export function realSqlServer(address: string | undefined): readonly ServerKind[] {
  if (address === undefined || address === '') return []
  const settings = serverAddress(address)
  return [
    {
      name: 'sqlserver (real)',
      connector: sqlServerConnector,
      missing: async () => undefined,
      start: async () => setUp(await administrator(settings), settings),
      startTls: () => Promise.reject(new Error('a server that is already running shows its own certificate')),
    },
  ]
}
