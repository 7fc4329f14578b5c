/** Crawls foreign files for a project: finds the source that would take them, and hands both to the files source's crawler. */

import { projectIndex } from '../definition/project-index.ts'
import { crawlFiles } from '../sources/files/crawl/crawl.ts'
import type { CrawlProposal } from './api.ts'
import type { ProjectContext } from './context.ts'

/**
 * Proposes a contract for files; changes nothing.
 *
 * @param path below the project, with `*` and `?`
 * @throws Source.NothingFound where no file matches
 */
export async function crawl(context: ProjectContext, path: string): Promise<CrawlProposal> {
  const [existing] = projectIndex(context.project).sources.flatMap(({ table, source }) =>
    source.kind === 'files' && source.path === path ? [{ table, source }] : [],
  )
  await using session = await context.engine.open()
  const proposal = await crawlFiles(session, {
    inbox: context.inbox,
    path,
    ...(existing === undefined ? {} : { existing: existing.source }),
  })
  return { ...proposal, ...(existing === undefined ? {} : { against: existing.table }) }
}
