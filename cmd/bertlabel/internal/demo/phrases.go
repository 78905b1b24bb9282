package demo

// The phrases of the complaints, all made up for this data set. (a|b) is a choice, an empty branch included; {slot} is a
// random entry of slots. Choices nest.

// label is one class: how complaints of it read, and how the same words read where nothing is wrong with it.
type label struct {
	name     string
	weight   float64  // relative frequency as the first label of a text
	goesWith []int    // labels that often come along, by index
	phrases  []string // the label applies
	denials  []string // the label does not apply, though its words are there
}

var labels = []label{
	{
		name: "late_delivery", weight: 1.3, goesWith: []int{4, 6, 3},
		phrases: []string{
			"my {item} (was supposed to (arrive|come|be here)|should have (arrived|come|been here)) {past} and (there is still no sign of it|I am still waiting)",
			"the (parcel|package|order) (arrived|came|got here|turned up) {span} (late|after the promised date|later than you said)",
			"(it has been|that was) {span} (ago |)since I ordered the {item} and (nothing has come|the tracking has not moved|it is still in transit)",
			"{span} of waiting for (a|one) {item} is (far |much |)too long",
			"(tracking|the status page) has said out for delivery (for|since) {span}",
			"delivery was promised for {day} and (it is already {day}|nobody came)",
			"(the courier|your driver) (keeps|kept) (postponing|rescheduling|moving) the (date|delivery|drop off)",
			"the {item} (came|arrived) so (late|slowly) that (the birthday was over|we had already left|I bought one elsewhere)",
			"next day shipping took {span}",
			"I paid for (express|fast|priority) (shipping|delivery) and (waited|it took) {span}",
			"still (waiting|no {item}), and (your estimate|the delivery date) has (slipped|changed) {times}",
			"where is my {item}? (It left the warehouse {span} ago|Ordered {past}, nothing yet)",
		},
		denials: []string{
			"(delivery|shipping) was (on time|quick|fast), (I admit|no complaint there|as promised)",
			"the parcel (came|arrived) (a day early|right on the promised day|sooner than I thought)",
			"the {item} (was|got) here (within two days|the next morning)",
			"I was not waiting long, (it came {day} as promised|the courier was punctual)",
			"the delay (was not a problem|does not bother me), it came (before the date you gave|in the window)",
		},
	},
	{
		name: "damaged_item", weight: 1.2, goesWith: []int{4, 7, 3},
		phrases: []string{
			"the {item} (arrived|came|turned up) (broken|cracked|smashed|dented|in pieces|badly scratched|torn)",
			"when I (opened|unpacked) the box the {item} (had a crack|was shattered|was bent|had a big dent)",
			"(a|one) corner of the {item} (is|was) (chipped|crushed|split|snapped off)",
			"the (screen|glass|lid|handle|casing) (is|was) (cracked|broken|smashed|scratched all over)",
			"it (stopped working|fell apart|broke) (after {span}|the first time I used it|on day one)",
			"the {item} (does not|will not) (turn on|hold together|charge|close) (any more|at all|since I got it)",
			"(the packaging was soaked and|there was no padding, so) the {item} (is ruined|got wrecked|broke)",
			"there (are|were) (scratches|stains|holes|dents) (all over|on) (it|the {item})",
			"my {item} (leaks|rattles|smells burnt) (and is useless|out of the box|since the first day)",
			"what I (got|received) is a {item} with a (broken|bent|cracked|torn) (side|base|hinge|zip)",
			"the box looked like it had been (dropped|kicked|run over) and the {item} inside did not survive",
		},
		denials: []string{
			"the {item} itself is (fine|in perfect shape|not broken|without a scratch)",
			"nothing was (broken|damaged|cracked), (thankfully|I should say)",
			"the box was (dented|torn|a bit crushed) but the {item} inside (is fine|works|was not damaged)",
			"(the quality is good|it works well), (no scratches|nothing cracked)",
			"I was afraid it would be smashed but it (is intact|survived the trip)",
		},
	},
	{
		name: "billing_error", weight: 1.2, goesWith: []int{5, 4, 3},
		phrases: []string{
			"(I was|you|they) (charged|billed) (me |)(twice|two times|double|three times) for (one|the same) {item}",
			"there (is|was) (a|an unknown) charge of {amount} on my (card|statement|account) (that I never agreed to|I do not recognise)",
			"the (invoice|bill|receipt) says {amount} but (the price was|I agreed to pay|the site showed) {amount}",
			"my card was debited {amount} (too much|more than the price|without an order)",
			"(the discount|my voucher|the coupon) was (not applied|ignored|missing from the bill)",
			"you (took|withdrew) {amount} (again |)(after I cancelled the plan|for a subscription I never had|for nothing)",
			"(I am|we are) (still |)being billed (every month |)for a (plan|membership|trial) (that ended|we never wanted)",
			"the (total|amount) on (my|the) (invoice|statement) is (wrong|{amount} too high|not what I ordered for)",
			"a (shipping|service|late) fee of {amount} was added (without asking|afterwards|out of nowhere)",
			"(somehow |)I paid for (two|three|four) of the {item} and ordered (only |)one",
			"the price (jumped|changed) (at checkout|after I paid), and my bank shows {amount}",
		},
		denials: []string{
			"the (bill|invoice|price) was (correct|right|exactly what I agreed to)",
			"I was charged (once and correctly|the right amount|only what I owed)",
			"(paying|the payment) by card (worked|was no problem), {amount} as shown",
			"my statement (is fine|matches the receipt), it is not about the money",
			"the discount was applied (as promised|without asking)",
		},
	},
	{
		name: "rude_staff", weight: 1.1, goesWith: []int{4, 2, 0},
		phrases: []string{
			"the {staff} was (rude|unfriendly|dismissive|arrogant|impolite|very short with me)",
			"your {staff} (hung up on me|shouted at me|laughed at me|rolled his eyes|talked over me)",
			"(I have never been|we have never been) (spoken|talked) to like that by a {staff}",
			"the {staff} (told me to stop complaining|said it was my own fault|said he did not care)",
			"(such a|what a) (bad|nasty|hostile) (attitude|tone) from (the|your) {staff}",
			"(when I asked for help|I asked politely and) the {staff} (snapped|got angry|insulted me|called me a liar)",
			"the {staff} (treated us like dirt|would not let me finish|was swearing on the phone)",
			"(zero|no) (respect|manners) (at the counter|on the phone|from the {staff})",
			"the {staff} (threw|slammed) the parcel (at my feet|on the ground) and swore",
			"I was (mocked|insulted|yelled at) by the {staff}",
		},
		denials: []string{
			"the {staff} was (friendly|polite|very kind|patient|not rude at all)",
			"your {staff} (tried to help|was sorry|did her best|could not have been nicer)",
			"I (do not blame|have nothing against) the {staff}, (a nice person|always polite)",
			"(nobody was rude|everyone on the phone was polite), (but that does not help|I must say)",
			"the {staff} (listened|called back as promised) and (never got angry|stayed calm)",
		},
	},
	{
		name: "refund", weight: 1.2, goesWith: []int{1, 6, 2},
		phrases: []string{
			"(I want|I demand|please give me) my money back",
			"(I sent it back|the return was accepted) {span} ago and (still no refund|the refund has not arrived|no money has come back)",
			"you (refuse|refused) to (refund me|pay me back|return the {amount})",
			"(please |)(refund|reimburse) (me|the {amount}|the full price) (at once|now|as you promised)",
			"my refund (was denied|is still pending|was rejected without a reason|never came)",
			"I was (offered|given) (store credit|a voucher) instead of (my money|the {amount} I paid|a refund)",
			"the refund (was|came) {amount} (short|less than I paid)",
			"(when|how) (will|do) I (get|see) the {amount} (back|again)?",
			"returning the {item} was easy, getting (paid back|the money) is (impossible|a nightmare)",
			"your {staff} promised (the money back|a refund|to reimburse me) (within a week|{past}) and (nothing happened|my account is empty)",
			"the (reimbursement|repayment) has been (processing|on hold) for {span}",
		},
		denials: []string{
			"I (do not|don't) want (my money back|a refund), (just fix it|I want you to know)",
			"the refund (came|was paid) (at once|the same day|without trouble), (credit where it is due|thanks)",
			"(a refund is not the point|this is not about a refund), I (like the shop|will keep the {item})",
			"I got the {amount} back (quickly|already), that part worked",
			"(keep the money|no need to pay me back), I only want (an answer|this noted)",
		},
	},
	{
		name: "app_problem", weight: 0.9, goesWith: []int{2, 6, 0},
		phrases: []string{
			"(the|your) app (crashes|freezes|hangs|closes) (every time|whenever|as soon as) I (open my orders|log in|try to pay|scan the code)",
			"I (cannot|can't) (log in|sign in|reset my password) (on my phone|since the update|any more)",
			"since the (last |latest |)update the (app|site|screen) (is blank|will not load|shows an error)",
			"the (login|checkout|payment) page (keeps loading|times out|throws an error|logs me out)",
			"(your|the) (website|app) (does not|will not) (accept my password|save my address|load on my phone)",
			"(error|code) {code} (appears|pops up) (each time|whenever) I (press|tap) (pay|submit|confirm)",
			"the app (deleted|lost|forgot) my (basket|saved items|address|history)",
			"(notifications|push messages) (never arrive|do not work) (and|so) the app (is useless|is no help)",
			"the verification code (never comes|does not work), so I am locked out (of my account|again)",
			"(nothing happens when I tap the|the) button (to confirm|for returns) (in the app|does nothing|is dead)",
		},
		denials: []string{
			"the (app|website) (works|worked) (fine|well|without errors)",
			"(ordering|paying) in the app was (easy|smooth|no trouble)",
			"I (could|can) log in, (the site is fine|the app is not the problem)",
			"the update (fixed the login|made the app faster), (well done|that I liked)",
			"no error in the app, (it just shows the order|the page loads)",
		},
	},
	{
		name: "cancelled_order", weight: 1.0, goesWith: []int{4, 0, 2},
		phrases: []string{
			"you (cancelled|canceled|dropped) my order (without asking|without a word|at the last minute|for no reason)",
			"my order (was|got) (cancelled|canceled|called off) (by your side|{span} after I paid|and nobody told me)",
			"(suddenly|this morning) the order (is|was) (marked as cancelled|gone from my account|void)",
			"I (got|received) (a mail|a message) that the {item} is (out of stock|no longer available) and the order (is off|was closed)",
			"the {item} (I reserved|I had paid for) was sold to someone else and my order (closed|was annulled)",
			"(two|three) times (now |)I ordered the {item} and (two|three) times (it was cancelled|you called it off)",
			"after {span} you (tell|told) me the order (will not be filled|cannot be fulfilled|has been voided)",
			"I (never (cancelled|stopped)|did not (cancel|stop)) the order, (you did|your system did)",
			"the shop (pulled|annulled|withdrew) (my|our) order for the {item} (overnight|{past})",
			"(your|the) system cancelled (everything|the whole order) because of (one missing digit|a typo in my address)",
		},
		denials: []string{
			"I (do not|don't) want to cancel the order, (just tell me more|only to complain)",
			"the order was not cancelled, (it went through|at least that)",
			"I thought (about cancelling|I would cancel the order) but (kept it|did not)",
			"(please do not cancel it|keep the order open), I (still want|need) the {item}",
			"the order (went through|was confirmed) (at once|without trouble)",
		},
	},
	{
		name: "missing_parts", weight: 1.1, goesWith: []int{1, 0, 4},
		phrases: []string{
			"the {part} (was|is) (missing|not in the box|not included|left out)",
			"(there was no|I could not find the|it came without the) {part} for the {item}",
			"(only half of|not all of) the (parts|pieces|screws) (were|came) in the box",
			"(I ordered|I paid for) (two|three|four) of the {item} and (got|received) (only one|one less)",
			"without the {part} (I cannot|nobody can) (use|build|finish|install) the {item}",
			"the {item} came (incomplete|without its {part}|with half the screws)",
			"(the box was nearly empty|someone forgot to pack): no {part}, no {part}",
			"the manual lists a {part}, (mine has none|there is none in my box)",
			"(one|the second) (box|bag) of (the set|parts) (is|was) (not there|missing|empty)",
			"please send (me |)the (missing|forgotten) {part}",
			"the {part} that (belongs to|goes with) the {item} never (came|was packed)",
		},
		denials: []string{
			"(nothing was missing|all the parts were there|the set is complete)",
			"the {part} (was|is) in the box (as it should be|as described)",
			"I have (every piece|all the screws|the {part}), (that is not it|it is complete)",
			"(the {part} I thought was missing|the screws) (turned up|were) (under the padding|in the lid)",
			"it came complete with (the|its) {part}",
		},
	},
}

var slots = map[string][]string{
	"item": {
		"kettle", "desk lamp", "backpack", "coffee machine", "bookshelf", "phone case", "headset", "blender", "office chair", "tent",
		"keyboard", "mirror", "toaster", "baby seat", "vacuum cleaner", "bicycle", "monitor", "garden table", "jacket", "printer",
		"camera", "drill", "mattress", "watch", "speaker", "suitcase", "wardrobe", "frying pan", "rug", "tablet",
	},
	"part": {
		"power cable", "charger", "remote", "manual", "screw set", "left leg", "lid", "adapter", "back panel", "battery",
		"cover", "mounting kit", "filter", "strap", "key", "second shelf", "hinge set", "cushion",
	},
	"staff": {
		"agent", "driver", "courier", "man at the counter", "support team", "manager", "woman on the phone", "technician",
		"shop assistant", "representative", "person in the chat", "cashier",
	},
	"span": {
		"two days", "three days", "five days", "nine days", "a week", "a whole week", "ten days", "two weeks", "three weeks",
		"a month", "six weeks", "almost two months", "{n} days",
	},
	"past":   {"last week", "last {day}", "on {day}", "two weeks ago", "before the weekend", "on the {n}th", "days ago", "in {month}"},
	"day":    {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"},
	"month":  {"January", "March", "April", "June", "July", "September", "October", "December"},
	"amount": {"$20", "$35", "$49", "$80", "$120", "$15.90", "$199", "40 dollars", "60 euros", "$3{n}", "$1{n}.50"},
	"times":  {"twice", "three times", "again and again", "every day"},
	"code":   {"403", "500", "E{n}", "17", "timeout"},
	"n":      {"4", "5", "6", "7", "8", "9", "11", "12", "13", "14", "16", "17", "18", "19"},
}

// openers, asides and closers say nothing about any label.
var openers = []string{
	"(Hello|Hi|Good morning|Dear team)(, |. )", "I (have been|am) a customer (for years|since {month}). ",
	"(Order|Reference) {n}{n}{n}{n}: ",
	"I (bought|ordered) a {item} (for my (mother|son|office|new flat) |)(in {month}|{past}). ", "(Honestly|Sadly|Unbelievable)(, |: )",
	"Second (message|mail) (this week|about this). ", "(This was my|It is my) (first|last) order here. ",
}

var asides = []string{
	"I (live|work) (alone|far from the shop|on the third floor)", "the {item} was a (present|gift) for my (sister|wife|father|colleague)",
	"I have (photos|pictures|screenshots) (of everything|if you need them)", "my (neighbour|brother) (bought|has) the same {item}",
	"I (called|wrote|asked) {times} (already|this week)", "the colour (is nice|is what I wanted)",
	"(your advert|the page) (looks|sounded) great",
	"I found the shop through a friend", "the {item} is for (work|the holidays|the kitchen)",
	"I (usually|normally) like (this shop|ordering here)",
	"the (box|parcel|card|app|order) (has|shows) number {n}{n}{n}",
}

var closers = []string{
	"(Please|Kindly) (help|answer|reply|get back to me)", "(Never again|Not again)", "(What now|What is going on|Is this normal)?",
	"I (expect|hope for) an answer (soon|by {day})",
	"(Very |Really |)(disappointed|annoyed|unhappy)", "(Thanks|Regards)", "One star", "I will (tell|warn) (my friends|everyone)",
	"(Do better|Fix this)",
}

// joiners stand between two statements.
var joiners = []string{". ", ". ", ". ", "! ", ", and ", ", but ", "; ", ". Also, ", ". On top of that ", ". Then ", " and "}
