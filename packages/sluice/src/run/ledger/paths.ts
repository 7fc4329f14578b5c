/** Where what runs leave is: below `runs/<run>/`, a task's below `tasks/<task>/`. */
import { sha256 } from '../../base/json.ts'

/** @example runPath('20261120T100000Z-00000001', 'plan.json') */
export function runPath(run: string, name: string): string {
  return `runs/${run}/${name}`
}

/**
 * A name that any storage takes as a part of a path, whatever a table or a pipeline is called.
 *
 * @example safeName('ingest:raw.sales') // 'ingest-raw.sales-1f0c9a2b'
 */
export function safeName(name: string): string {
  if (/^\w[\w.-]{0,99}$/.test(name)) return name
  return `${name.replace(/[^\w.-]+/g, '-').slice(0, 100)}-${sha256(name).slice(0, 8)}`
}

/** The folder of a task's attempts and outcome. @example taskFolder(run, 'ingest:raw.sales') */
export function taskFolder(run: string, task: string): string {
  return runPath(run, `tasks/${safeName(task)}`)
}
