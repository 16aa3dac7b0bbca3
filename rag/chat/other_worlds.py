"""Questions of other worlds than a team's documents, to be refused: templates, and what fills their slots."""

TEMPLATES = """
What will the weather be like in {city} {time}?
Is it going to rain in {city} {time}?
How cold does it get in {city} in winter?
Who won the match between {team} and {other_team}?
How many goals did {player} score for {team}?
When do {team} play against {other_team}?
Who is the coach of {team}?
How do I cook {dish}?
What goes into a good {dish}?
How long does {dish} have to stay in the oven?
Which wine goes with {dish}?
Can I make {dish} without eggs?
What is the capital of {country}?
How many people live in {country}?
Which language is spoken in {country}?
Do I need a visa for {country}?
What is the best time of the year to visit {country}?
Who founded {company}?
When was {company} founded?
What is the share price of {company}?
What are the opening hours of {company}?
How do I return a parcel to {company}?
How do I cancel my account with {company}?
What is the phone number of {company}?
Who is the president of {country}?
Who wrote {book}?
What happens at the end of {book}?
How many pages does {book} have?
Who plays the lead in the film of {book}?
Who painted {painting}?
In which museum does {painting} hang?
How old can {animal} get?
What do {animals} eat?
How do I keep {animals} out of my garden?
Which vaccinations does {animal} need?
How far is it from {city} to {other_city}?
When does the next train from {city} to {other_city} leave?
What does a flight from {city} to {other_city} cost?
Is there a good restaurant in {city}?
Which museums are open in {city} on Sundays?
How do I get from the airport to the centre of {city}?
What does {word} mean in {language}?
How do you say {word} in {language}?
How do I learn {language} quickly?
How do I tune {instrument}?
Who invented {instrument}?
How long does it take to learn to play {instrument}?
How do I treat {ailment}?
Which doctor do I see about {ailment}?
Is {ailment} contagious?
How do I fix a puncture on {vehicle}?
What does the insurance of {vehicle} cost?
How much does {vehicle} weigh?
What are the rules of {game}?
How many players does {game} need?
Who is the world champion in {game}?
How do I write {program} in Python?
Why does my code for {program} not compile?
How far away is {planet} from the sun?
How many moons does {planet} have?
How do I grow {plant} on a balcony?
When do I have to prune {plant}?
What is the square root of {number}?
Tell me a joke about {animals}.
Write a poem about {plant}.
Can you translate {word} into {language}?
Should I buy shares of {company}?
What did you have for breakfast {time}?
""".strip().splitlines()

SLOTS = {
    slot: values.split("|")
    for slot, values in {
        "city": "Lisbon|Toronto|Nairobi|Osaka|Lima|Chicago|Cairo|Melbourne|Prague|Mumbai|Dublin|Marseille",
        "other_city": "Seville|Boston|Lagos|Seoul|Bogota|Denver|Athens|Perth|Vienna|Delhi|Glasgow|Naples",
        "time": "tomorrow|on Friday|next weekend|tonight|at Easter|this afternoon",
        "team": "Arsenal|Bayern Munich|the Lakers|Boca Juniors|the Red Sox|Ajax|Celtic|Juventus",
        "other_team": "Chelsea|Real Madrid|the Bulls|River Plate|the Yankees|Porto|Everton|Benfica",
        "player": "Pele|Maradona|Zidane|Cruyff|Ronaldinho|Beckham|Marta|Kane",
        "dish": "lasagne|mushroom risotto|apple pie|pad thai|beef stew|pancakes|paella|ramen|cheesecake|goulash",
        "country": "Portugal|Peru|Kenya|Vietnam|Morocco|Iceland|Ecuador|Jordan|Latvia|Nepal|Ghana|Chile",
        "company": "Microsoft|Toyota|Nestle|Ryanair|Netflix|Siemens|Lego|Starbucks|Pfizer|Adidas|Boeing|Spotify",
        "book": "Moby-Dick|War and Peace|The Hobbit|Don Quixote|Dracula|Emma|Frankenstein|Ulysses|Dune|Heidi",
        "painting": "the Mona Lisa|the Night Watch|Guernica|Sunflowers|The Scream|The Birth of Venus|The Kiss",
        "animal": "a hamster|a parrot|an elephant|a tortoise|a labrador|a goldfish|a rabbit|a donkey",
        "animals": "squirrels|hedgehogs|penguins|giraffes|parrots|slugs|foxes|koalas|wasps",
        "word": "butterfly|thank you|umbrella|strawberry|good evening|bridge|grandmother|tomorrow",
        "language": "Spanish|Japanese|Swahili|Finnish|Arabic|Welsh|Korean|Hungarian",
        "instrument": "a guitar|a cello|a banjo|a saxophone|a ukulele|the piano|an accordion|a harp",
        "ailment": "a migraine|hay fever|a sprained ankle|chickenpox|sunburn|a sore throat|toothache|insomnia",
        "vehicle": "a mountain bike|a motorcycle|a campervan|a tractor|a scooter|a tandem|a convertible",
        "game": "chess|backgammon|poker|badminton|cricket|ice hockey|Monopoly|table tennis|curling",
        "program": "a chess engine|a web crawler|a calculator|a snake game|a spam filter|a bubble sort",
        "planet": "Mars|Jupiter|Saturn|Neptune|Venus|Uranus|Mercury",
        "plant": "tomatoes|roses|lavender|orchids|basil|blueberries|tulips|a lemon tree|bonsai",
        "number": "144|2,025|961|1,681|7|529|3,136|1,089|50",
    }.items()
}

FOREIGN_THINGS = (
    "popcorn machine|garden trampoline|violin case|racing bike|chocolate fountain|kitchen aquarium|rowing boat|"
    "parrot cage|wedding dress|tennis racket|sewing machine|bowling ball|fishing rod|pizza stone|hamster wheel|"
    "skateboard ramp|piano stool|pasta maker|surfboard rack|telescope tripod|paper kite|karaoke booth|"
    "lawn flamingo|pottery kiln|ski helmet|chess clock|beehive frame|candle mould|yoga mat|dog sled|coffee grinder|"
    "baby stroller|snooker table|paint roller|horse saddle|knitting needle|toaster oven|waffle iron|drum kit|tent peg"
).split("|")
"""Singular and after "a": what stands in the place of a phrase, so that a question asks for what no document has."""
