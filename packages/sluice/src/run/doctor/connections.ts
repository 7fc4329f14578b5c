/** Looks at each connection: driver, TLS, login, and whether what sources call is there, may be called, and returns what they declare. */

import { isSluiceError } from '../../base/errors.ts'
import type { Connection, ProcedureDescription } from '../../connections/connection.ts'
import { projectIndex } from '../../definition/project-index.ts'
import type { ConnectionConfig, ProcedureSource } from '../../definition/types.ts'
import { isTaken, matchContract } from '../../sources/procedures/contract.ts'
import type { Finding } from '../api.ts'
import { connectionSettings } from '../connections/connections.ts'
import type { ProjectContext } from '../context.ts'

/**
 * Examines every connection of a project. Nothing is called; a login that was refused within the last minute is not tried again.
 *
 * @example for (const { name, status, fix } of await examineConnections(context)) …
 */
export async function examineConnections(context: ProjectContext): Promise<readonly Finding[]> {
  const { connections } = context.project.config
  const findings = Object.entries(connections).map(([name, config]) => examine(context, name, config))
  return (await Promise.all(findings)).flat()
}

async function examine(context: ProjectContext, name: string, config: ConnectionConfig): Promise<readonly Finding[]> {
  const title = `Connection ${name}`
  try {
    const tls = await examineTls(context, name, config)
    await using connection = await (await context.connections()).open(name, new AbortController().signal)
    const sources = sourcesOf(context, name)
    const procedures = new Set(sources.map(({ procedure }) => procedure))
    const wrong: Finding[] = []
    for (const procedure of procedures)
      wrong.push(
        ...(await examineProcedure(
          connection,
          name,
          sources.filter((source) => source.procedure === procedure),
        )),
      )
    const callable =
      procedures.size === 0 ? '' : `, ${procedures.size} procedure${procedures.size === 1 ? '' : 's'} looked up`
    const detail = `${connection.server}, ${tls.words}${callable}`
    return [{ name: title, status: tls.fix === undefined ? 'ok' : 'warn', detail, ...tls.fix }, ...wrong]
  } catch (error) {
    return [failure(title, error)]
  }
}

function failure(name: string, error: unknown): Finding {
  const detail = error instanceof Error ? error.message : String(error)
  const hint = isSluiceError(error) ? error.hint : undefined
  return { name, status: 'fail', detail, ...(hint === undefined ? {} : { fix: hint }) }
}

async function examineTls(
  context: ProjectContext,
  name: string,
  config: ConnectionConfig,
): Promise<{ readonly words: string; readonly fix?: { readonly fix: string } }> {
  if (config.tls === 'verified') return { words: 'TLS with a verified certificate' }
  if (config.tls === 'strict') return { words: 'TLS before the first byte (TDS 8), with a verified certificate' }
  const fix = {
    fix: "Take `tls` away, and name the certificate that signed the server's with `ca` where the system does not know it.",
  }
  if (config.tls === 'unverified')
    return { words: 'TLS, but nobody checks the certificate: anybody between may read all', fix }
  const { host } = await connectionSettings(context, name, config)
  if (/^(localhost|127\.[\d.]+|::1)$/i.test(host)) return { words: 'no TLS, on this machine' }
  return { words: `no TLS to ${host}: the password and every row can be read on the way`, fix }
}

function sourcesOf({ project }: ProjectContext, connection: string): readonly ProcedureSource[] {
  return projectIndex(project).sources.flatMap(({ source }) =>
    source.kind === 'procedure' && source.connection === connection ? [source] : [],
  )
}

/** What is wrong with a procedure, seen by the sources that call it; nothing where all is well. */
async function examineProcedure(
  connection: Connection,
  name: string,
  sources: readonly ProcedureSource[],
): Promise<readonly Finding[]> {
  const { procedure } = sources[0] as ProcedureSource
  const title = `${name}: ${procedure}`
  try {
    const described = await connection.describe(procedure)
    if (described.length === 0) {
      const fix = `Let this login call it (GRANT EXECUTE), or see what it may call: sluice crawl ${name}`
      return [{ name: title, status: 'fail', detail: 'it is not there, or this login may not call it', fix }]
    }
    // Of overloads, the call chooses; whoever has one finds its parameters then.
    const [only] = described.length === 1 ? described : []
    return only === undefined
      ? []
      : sources.flatMap((source) => [...parameters(title, only, source), ...contract(title, only, source, name)])
  } catch (error) {
    return [failure(title, error)]
  }
}

function parameters(
  name: string,
  { parameters: known }: ProcedureDescription,
  source: ProcedureSource,
): readonly Finding[] {
  const has = new Set(known.map((parameter) => parameter.name.toLowerCase()))
  const given = new Set(
    [...Object.keys(source.parameters), ...Object.keys(source.output)].map((one) => one.toLowerCase()),
  )
  const unknown = [...given].filter((one) => !has.has(one))
  const missing = known.filter((one) => !one.output && one.hasDefault === false && !given.has(one.name.toLowerCase()))
  const details = [
    ...(unknown.length === 0 ? [] : [`it has no parameter ${unknown.join(', ')}`]),
    ...(missing.length === 0 ? [] : [`it needs ${missing.map((one) => `${one.name} (${one.serverType})`).join(', ')}`]),
  ]
  const fix = 'Correct `parameters` of its source.'
  return details.length === 0 ? [] : [{ name, status: 'fail', detail: details.join('; '), fix }]
}

function contract(
  name: string,
  { columns }: ProcedureDescription,
  { columns: declared, resultSet, evolve }: ProcedureSource,
  connection: string,
): readonly Finding[] {
  if (columns === undefined || resultSet !== 1) return []
  const stopping = matchContract(declared, columns).differences.filter((one) => !isTaken(one, evolve))
  if (stopping.length === 0) return []
  const detail = `returns other columns than its contract: ${stopping.map((one) => `${one.column} ${one.kind} (${one.class})`).join(', ')}`
  const fix = `See what to paste: sluice crawl ${connection} ${name.slice(connection.length + 2)}`
  return [{ name, status: 'fail', detail, fix }]
}
