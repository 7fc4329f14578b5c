/** What spans a procedure and the rest of its project: its connection, the tables whose values it is called for, and calls that are made twice. */
import { problem } from '../../base/errors.ts'
import { canonicalJson } from '../../base/json.ts'
import { eachValues } from '../columns.ts'
import { type CheckContext, needColumns, needTable } from '../problems/known-names.ts'
import { suggest } from '../problems/suggest.ts'
import type { Pipeline, ProjectConfig } from '../types.ts'

/**
 * Adds the problems of a pipeline's procedures.
 *
 * @example procedureProblems(pipeline, config.connections, context)
 */
export function procedureProblems(
  { file, layers, sources }: Pipeline,
  connections: ProjectConfig['connections'],
  context: CheckContext,
): void {
  const { problems, places } = context
  const known = Object.keys(connections).sort()
  const calls = new Map<string, string>()
  for (const [key, source] of Object.entries(sources)) {
    if (source.kind !== 'procedure') continue
    const { connection, procedure, parameters, resultSet } = source
    const table = `${layers[0]}.${key}`
    if (!Object.hasOwn(connections, connection)) {
      const meant = suggest(connection, known)
      const at = places(file).at(['sources', key, 'connection'], connection)
      problems.push(
        problem(
          'Definition.UnknownConnection',
          { connection, known },
          { at, ...(meant === undefined ? {} : { suggestion: meant }) },
        ),
      )
    }
    for (const each of eachValues(source)) {
      const path = ['sources', key, 'parameters']
      if (each.table === table) {
        const params = {
          where: `sources.${key}.parameters`,
          expected: '{ $each } of another table',
          found: `"${table}"`,
        }
        problems.push(problem('Definition.WrongValue', params, { at: places(file).at(path, table) }))
      } else needTable(each.table, file, path, context)
      needColumns([each.column], each.table, file, path, context)
    }
    const call = canonicalJson([connection, procedure, Object.entries(parameters), source.window, resultSet])
    const first = calls.get(call)
    calls.set(call, first ?? table)
    if (first === undefined) continue
    const params = {
      where: `The call of sources.${key}`,
      expected: `another one than that of ${first}, by its parameters or its resultSet`,
      found: `${procedure} again`,
    }
    problems.push(problem('Definition.WrongValue', params, { at: places(file).at(['sources', key, 'procedure']) }))
  }
}
