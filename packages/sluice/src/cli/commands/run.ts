/** `sluice run` */
import type { Run } from '../command.ts'
import { runAndShow } from '../run-and-show.ts'

export const run: Run<'run'> = async (context, { select, exclude, approve, force, parameter, concurrency }) => {
  await using project = await context.open()
  const options = {
    select,
    exclude,
    approve,
    force,
    parameters: parameter,
    ...(concurrency === undefined ? {} : { concurrency }),
  }
  return runAndShow(context, project, (watching) => project.run({ ...options, ...watching }))
}
