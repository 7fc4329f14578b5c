/** `sluice retry` */
import type { Run } from '../command.ts'
import { runAndShow } from '../run-and-show.ts'

export const run: Run<'retry'> = async (context, { run: id, approve, concurrency }) => {
  await using project = await context.open()
  const options = { approve, ...(concurrency === undefined ? {} : { concurrency }) }
  return runAndShow(context, project, (watching) => project.retry(id, { ...options, ...watching }))
}
