/**
 * What the admin address answers, as the views read it. Times are RFC 3339, durations milliseconds, counts are since the
 * start of the process unless they say otherwise.
 *
 * @typedef {object} Phase
 * @property {number} count
 * @property {number} mean
 * @property {number} p50
 * @property {number} p99
 *
 * @typedef {"dns"|"connect"|"tls"|"first_byte"|"total"} PhaseName
 *
 * @typedef {object} Minute
 * @property {string} at
 * @property {number} requests
 * @property {number} refused
 * @property {number} failed
 * @property {number} bytes_sent
 * @property {number} bytes_received
 * @property {Partial<Record<PhaseName, Phase>>} phases
 * @property {{queries: number, not_found: number, failures: number}} dns
 *
 * @typedef {object} Totals
 * @property {number} requests
 * @property {number} refused
 * @property {number} failed
 * @property {number} bytes_sent
 * @property {number} bytes_received
 * @property {number} connections
 * @property {number} tunnels
 *
 * @typedef {object} Overview
 * @property {string} version
 * @property {string} started
 * @property {string} now
 * @property {number} workers
 * @property {{number: number, since?: string, state: string, message: string}} generation
 * @property {{ready: boolean, troubles: string[]}} readiness
 * @property {string[]} silent_dns_servers those that do not answer
 * @property {Totals} totals
 * @property {Minute[]} minutes
 *
 * @typedef {object} Address
 * @property {string} address
 * @property {string} state
 * @property {number} failures
 * @property {number} connections requests that are in progress there
 * @property {string} [last_error]
 *
 * @typedef {object} Destination
 * @property {string} host
 * @property {number} requests
 * @property {number} errors refused or failed
 * @property {number} refused
 * @property {Record<string, number>} reasons
 * @property {number} bytes_sent
 * @property {number} bytes_received
 * @property {{mean: number, p50: number, p99: number}} [latency]
 * @property {string} [first]
 * @property {string} [last]
 * @property {number[]} minutes
 * @property {Address[]} [addresses]
 * @property {CachedName|null} [dns]
 *
 * @typedef {object} Refusal
 * @property {string} host
 * @property {string} policy
 * @property {string} rule
 * @property {string} reason
 * @property {string} message
 * @property {string} method
 * @property {number} count
 * @property {string} first
 * @property {string} last
 * @property {string} remedy
 *
 * @typedef {object} Connection
 * @property {string} client
 * @property {string} listener
 * @property {string} protocol
 * @property {string} since
 * @property {number} requests
 * @property {string} host
 *
 * @typedef {object} Tunnel
 * @property {string} host
 * @property {number} port
 * @property {string} client
 * @property {string} form
 * @property {string} route
 * @property {string} since
 * @property {number} bytes_sent
 * @property {number} bytes_received
 *
 * @typedef {object} Generation
 * @property {number} number
 * @property {string} at
 * @property {string[]} added
 * @property {{object: string, before: string, after: string}[]} changed
 * @property {string[]} removed
 * @property {string} message
 *
 * @typedef {object} CachedName
 * @property {string} name
 * @property {string} state
 * @property {boolean} resolving
 * @property {string[]} addresses
 * @property {number} ageSeconds
 * @property {number} ttlSeconds
 * @property {number} idleSeconds
 * @property {number} hits
 * @property {string} [error]
 *
 * @typedef {object} Cache
 * @property {string|Record<string, string>} resolver
 * @property {CachedName[]} names
 *
 * @typedef {object} DnsServer
 * @property {string} server
 * @property {boolean} answers
 * @property {number} queries
 * @property {Record<string, number>} without_records queries that brought no records, by cause
 * @property {{mean: number, p50: number, p99: number}} latency
 * @property {string} [last] when it was last queried
 *
 * @typedef {object} Condition
 * @property {string} type
 * @property {string} status
 * @property {string} reason
 * @property {string} message
 *
 * @typedef {object} Problem
 * @property {string} file
 * @property {number} line
 * @property {string|null} object
 * @property {string} field
 * @property {string} message
 *
 * @typedef {object} Reference
 * @property {string} [kind]
 * @property {string} [namespace]
 * @property {string} name
 * @property {string} [sectionName]
 * @property {number} [port]
 *
 * @typedef {object} ReportedListener
 * @property {string} name
 * @property {number} attachedRoutes
 * @property {Condition[]} conditions
 *
 * @typedef {object} ReportedStatus
 * @property {Condition[]} [conditions]
 * @property {ReportedListener[]} [listeners]
 * @property {{parentRef: Reference, conditions: Condition[]}[]} [parents]
 * @property {{ancestorRef: Reference, conditions: Condition[]}[]} [ancestors]
 *
 * @typedef {object} ReportedObject
 * @property {string} object
 * @property {string} file
 * @property {number} line
 * @property {ReportedStatus} status
 *
 * @typedef {object} Report
 * @property {number} generation
 * @property {string} appliedAt
 * @property {string[]} errors
 * @property {string[]} unbound
 * @property {ReportedObject[]} objects
 * @property {Problem[]} problems
 * @property {Problem[]} warnings
 * @property {number} skipped
 * @property {{object: string, generation: number, reason: string}[]} held
 *
 * @typedef {object} View
 * @property {string} title
 * @property {HTMLElement} root
 * @property {() => Promise<any>} load reads what the view shows
 * @property {(data: any, overview: Overview) => void} show
 *
 * What a view may ask of the page: to read and show anew, at once.
 * @typedef {() => void} Refresh
 */

export {};
