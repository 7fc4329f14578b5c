/** Runs by their names. */
import { sluiceError } from '../base/errors.ts'
import type { ReadContext, RunInfo } from '../run/api.ts'

/**
 * One run of the ledger, or the last one.
 *
 * @example const { status } = await runNamed(project, undefined)
 * @throws Cli.UnknownName with the newest runs
 */
export async function runNamed(project: ReadContext, id: string | undefined): Promise<RunInfo> {
  const found = id === undefined ? (await project.runs(1))[0] : await project.run(id)
  if (found !== undefined) return found
  const known = (await project.runs(5)).map((one) => one.id)
  throw sluiceError('Cli.UnknownName', { what: 'run', name: id ?? 'last', known })
}

/**
 * What a run told, of all its tasks or of one, by the task's id or its table.
 *
 * @example await eventsOf(project, id, 'raw.sales')
 * @throws Run.NotFound
 */
export async function eventsOf(project: ReadContext, id: string, task?: string): ReturnType<ReadContext['events']> {
  const events = await project.events(id)
  return events.filter((event) => task === undefined || ('task' in event && isOf(event.task, task)))
}

function isOf(id: string, task: string): boolean {
  return id === task || id.endsWith(`:${task}`)
}
